"""All errors that RIYL raises on purpose. The docstring of a class is its default message."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar


class RiylError(Exception):
    """RIYL could not complete the request."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default_message())

    @classmethod
    def default_message(cls) -> str:
        """Return the message of an error that is raised without a message: its docstring."""
        return inspect.cleandoc(cls.__doc__ or "")


class InputError(RiylError):
    """The input is invalid."""


class TableError(InputError):
    """A table of the catalog is invalid.

    Attributes:
        file_and_row: name of the file, and the row or line.
        wanted: the content that is valid there.
    """

    def __init__(
        self, file: Path | str, *, found: str, wanted: str, row: int | None = None, line: int | None = None
    ) -> None:
        where = "" if row is None else f", row {row}"
        where += "" if line is None else f", line {line}"
        super().__init__(f"{file}{where}: found {found}; wanted {wanted}")
        self.file_and_row = f"{Path(file).name}{where}"
        self.wanted = wanted


class ConfigError(InputError):
    """A setting, recipe or training config is invalid."""


class SettingsError(ConfigError):
    """A RIYL_ environment variable is invalid."""


class NotFoundError(RiylError):
    """The requested object does not exist in this home."""


class FormatError(RiylError):
    """A stored folder is damaged, or has a format that this RIYL does not read.

    Args:
        message: the fault and its place, for operators of the home.
        file: name of the damaged file, for public answers; None if the fault is not in a single file.
    """

    def __init__(self, message: str | None = None, *, file: str | None = None) -> None:
        super().__init__(message)
        self.public = f"{file or 'a stored file'} is damaged; see the log of the service"


class OutdatedError(FormatError):
    """A stored folder has an older format, which lacks the requested data."""


class MismatchError(RiylError):
    """Two objects do not fit each other, such as a model and a snapshot."""


class FetchError(RiylError):
    """A file could not be downloaded."""


class NothingKnownError(RiylError):
    """This artist has no embedding yet, so it has no similar artists."""


class QualityCheckError(RiylError):
    """The version failed its quality checks and is not promoted."""

    def __init__(self, message: str | None = None, checks: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.checks = list(checks)


class DatabaseError(RiylError):
    """The database rejected the operation."""


class DatabaseDownError(DatabaseError):
    """The database is unreachable or unusable; subclasses name the reason."""


class DatabaseBusyError(DatabaseDownError):
    """Other processes hold the lock of the database."""


class StorageError(RiylError):
    """A file cannot be read or written because its storage has a fault.

    Args:
        message: for operators of the home; may contain the path of the file.
        file: name of the file; None if the operating system does not report it.

    Attributes:
        public: the fault without a path, for answers over HTTP.
    """

    _state: ClassVar[str] = "cannot be read or written"

    def __init__(self, message: str | None = None, *, file: str | None = None) -> None:
        super().__init__(message)
        self.public = f"{file or 'a file'} {self._state}"


class StorageFullError(StorageError):
    """No space is left on the disk."""

    _state = "cannot be written: no space is left on its disk"


class StorageReadOnlyError(StorageError):
    """The disk is read-only, or the permissions of the file or folder forbid writing."""

    _state = "cannot be written: its disk is read-only, or its permissions forbid it"


class DatabaseDamagedError(StorageError, DatabaseDownError):
    """The database is damaged."""

    _state = "is damaged: restore it from a backup"


class DatabaseFullError(StorageFullError, DatabaseDownError):
    """No space is left on the disk of the database."""


class DatabaseReadOnlyError(StorageReadOnlyError, DatabaseDownError):
    """The database is read-only."""


class StaleDatabaseError(DatabaseError):
    """The database lacks states that this home has seen, so RIYL does not trust it; see `riyl db accept`."""


class SchemaError(DatabaseError):
    """The schema of the database belongs to another release."""


class MissingExtraError(RiylError):
    """A package of an optional extra is not installed."""


class JobEndedError(RiylError):
    """The job has already ended."""


class JobCancelledError(RiylError):
    """The job was cancelled."""
