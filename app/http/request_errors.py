"""Errors of requests over HTTP alone; `riyl.app.http.errors` maps them to statuses."""

from __future__ import annotations

from collections.abc import Collection

from riyl.app.schemas.artists import Summary
from riyl.core.errors import NotFoundError, RiylError


class UnknownArtistError(NotFoundError):
    """This version has no such artist."""

    def __init__(self, message: str, near: list[Summary]) -> None:
        super().__init__(message)
        self.near = near


class AmbiguousArtistError(RiylError):
    """Several artists match the request."""

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
    """The version is damaged and cannot become current."""


class DamagedEvaluationError(RiylError):
    """A file of the stored evaluation is damaged."""


class DamagedTruthError(RiylError):
    """The truth is damaged."""


class DamagedEmbeddingsError(RiylError):
    """The stored embeddings are damaged."""


class BodyTooLargeError(RiylError):
    """The body of the request is too large."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"found a body of more than {most_bytes} bytes; wanted at most that")


class BodyTooSlowError(RiylError):
    """The body of the request did not arrive in time."""


class TargetTooLongError(RiylError):
    """The path and query of the request are too long."""


class MethodNotAllowedError(RiylError):
    """The path does not support this method."""

    def __init__(self, message: str, methods: Collection[str]) -> None:
        super().__init__(message)
        self.methods = methods


class HostError(RiylError):
    """The header Host names a host that this service does not answer for."""


class EndingError(RiylError):
    """The service is shutting down; retry in a moment, a batch with the same Idempotency-Key."""

    retry_after_s = 1


class TooManyRequestsError(RiylError):
    """The client sent too many requests."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(RiylError):
    """The service is overloaded; retry in a moment."""

    retry_after_s = 1


class MediaTypeError(RiylError):
    """The body of the request has another media type."""


class NotAcceptableError(RiylError):
    """The header Accept allows none of the media types of the response."""


class NoKeyError(RiylError):
    """This needs the header Authorization: Bearer riyl_..., with a key made by: riyl keys create NAME --role admin"""


class NoEncoderError(RiylError):
    """The encoder of artists that are not in the catalog is not in this home."""


class RoleError(RiylError):
    """The role of the key does not suffice."""
