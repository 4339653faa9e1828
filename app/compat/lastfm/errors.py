"""Errors of Last.fm's protocol: its codes."""

from __future__ import annotations

from riyl.core.errors import RiylError

INVALID_METHOD = 3
INVALID_FORMAT = 5
INVALID_PARAMETERS = 6
FAILED = 8
INVALID_KEY = 10
OFFLINE = 11
TEMPORARY = 16
RATE_LIMITED = 29


class LastfmError(RiylError):
    """The request has no answer; answered with status 200, because some clients read the body of no other status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class UnknownArtistError(LastfmError):
    """The version has no such artist."""

    def __init__(self) -> None:
        super().__init__(INVALID_PARAMETERS, "The artist you supplied could not be found")
