"""Every error that RIYL raises on purpose. The docstring is the default message."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar


class RiylError(Exception):
    """RIYL could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default_message())

    @classmethod
    def default_message(cls) -> str:
        """The message of an error that says no more than what it is."""
        return inspect.cleandoc(cls.__doc__ or "")


class InputError(RiylError):
    """The input is not what it should be."""


class TableError(InputError):
    """A table of the catalog is not what it should be.

    Attributes:
        file_and_row: name of the file, and the row or line.
        wanted: what was wanted there.
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
    """A setting, recipe or training config is not what it should be."""


class SettingsError(ConfigError):
    """A RIYL_ variable is not what it should be."""


class NotFoundError(RiylError):
    """There is no such thing in this home."""


class FormatError(RiylError):
    """A stored folder is damaged, or of a format that this RIYL does not read.

    Args:
        message: what is wrong and where, for those who run the home.
        file: name of the file that is damaged, for everybody; None where it is not one file.
    """

    def __init__(self, message: str | None = None, *, file: str | None = None) -> None:
        super().__init__(message)
        self.public = f"{file or 'a stored file'} is damaged; the log of the service says how"


class OutdatedError(FormatError):
    """A stored folder is of an older format, which does not hold what was asked for."""


class MismatchError(RiylError):
    """Two things do not belong together."""


class FetchError(RiylError):
    """A file could not be downloaded."""


class NothingKnownError(RiylError):
    """Nothing is known of this artist yet: it has no embedding, so nobody is similar to it."""


class QualityCheckError(RiylError):
    """The version failed its quality checks, and is not promoted."""

    def __init__(self, message: str | None = None, checks: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.checks = list(checks)


class DatabaseError(RiylError):
    """The database refused."""


class DatabaseDownError(DatabaseError):
    """The database cannot be reached, or not be used; a subclass says more."""


class DatabaseBusyError(DatabaseDownError):
    """Other processes keep the database locked."""


class StorageError(RiylError):
    """A file cannot be read or written, for a fault of where it is stored.

    Args:
        message: for those who run the home; it may have the file's path.
        file: its name; None where the system does not say which file it is.

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
    """The disk or the folder takes no writes."""

    _state = "cannot be written: its disk is read-only, or its rights forbid it"


class DatabaseDamagedError(StorageError, DatabaseDownError):
    """The database is damaged."""

    _state = "is damaged: restore it from a backup"


class DatabaseFullError(StorageFullError, DatabaseDownError):
    """No space is left on the disk of the database."""


class DatabaseReadOnlyError(StorageReadOnlyError, DatabaseDownError):
    """The database takes no writes."""


class StaleDatabaseError(DatabaseError):
    """The database lacks what this home has seen, and is not believed: see riyl db accept."""


class SchemaError(DatabaseError):
    """The database is of another release."""


class MissingExtraError(RiylError):
    """A package of an extra is not installed."""


class JobEndedError(RiylError):
    """The job has ended already."""


class JobCancelledError(RiylError):
    """The job was cancelled."""
