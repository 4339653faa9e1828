"""Errors that a request over HTTP alone can meet; `riyl.app.http.errors` has their status."""

from __future__ import annotations

from collections.abc import Collection

from riyl.app.schemas.artists import Summary
from riyl.core.errors import NotFoundError, RiylError


class UnknownArtistError(NotFoundError):
    """There is no such artist in this version."""

    def __init__(self, message: str, near: list[Summary]) -> None:
        super().__init__(message)
        self.near = near


class AmbiguousArtistError(RiylError):
    """Several artists are meant by what was asked for."""

    def __init__(self, message: str, candidates: list[Summary]) -> None:
        super().__init__(message)
        self.candidates = candidates


class AmbiguousNameError(AmbiguousArtistError):
    """Several artists have this name."""


class AmbiguousMbidError(AmbiguousArtistError):
    """Several artists have this mbid."""


class NotReadyError(RiylError):
    """No version is served yet."""


class DamagedVersionError(RiylError):
    """The version is damaged, and cannot become current."""


class DamagedEvaluationError(RiylError):
    """A file of the stored evaluation is damaged."""


class DamagedTruthError(RiylError):
    """The truth is damaged."""


class BodyTooLargeError(RiylError):
    """The body of the request is too large."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"found a body of more than {most_bytes} bytes; wanted at most that")


class BodyTooSlowError(RiylError):
    """The body of the request did not come in time."""


class TargetTooLongError(RiylError):
    """The path and query of the request are too long."""


class MethodNotAllowedError(RiylError):
    """The path has no operation of this method."""

    def __init__(self, message: str, methods: Collection[str]) -> None:
        super().__init__(message)
        self.methods = methods


class HostError(RiylError):
    """The header Host names a host that this service does not answer for."""


class EndingError(RiylError):
    """The service ends; ask again in a moment, a batch under the same Idempotency-Key."""

    retry_after_s = 1


class TooManyRequestsError(RiylError):
    """There were too many requests."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(RiylError):
    """There is more to do than the service takes on; ask again in a moment."""

    retry_after_s = 1


class MediaTypeError(RiylError):
    """The body of the request is of another kind."""


class NoKeyError(RiylError):
    """This needs the header Authorization: Bearer riyl_..., with a key made by: riyl keys create NAME --role admin"""


class NoEncoderError(RiylError):
    """What encodes artists who are not in the catalog is not in this home."""


class RoleError(RiylError):
    """The key may not do this."""
