"""Redaction of jobs for HTTP: no value found in files, no path of the server, and no author's name unless permitted."""

from __future__ import annotations

import re
from typing import Any

from riyl.app.jobs.import_root import FROM_HTTP
from riyl.core.errors import (
    DatabaseError,
    FetchError,
    JobCancelledError,
    MismatchError,
    NotFoundError,
    QualityCheckError,
    RiylError,
    StorageError,
    TableError,
)

ALL_IS_IN = "riyl jobs list, run on the machine of the service, shows the full text"

TELLS_NO_VALUES = (DatabaseError, FetchError, JobCancelledError, MismatchError, NotFoundError, QualityCheckError)
"""Errors whose messages contain no value of a file that a job read."""

HIDDEN_RESULTS = frozenset({"examples", "columns_not_read"})
"""Members of a job's result that contain values or column names of tables."""

FOLDERS_OF_PATH = re.compile(r"(?<![\w./~])/(?!v1/)(?:[^\s/:;,'\"]+/)+(?=[^\s/])")
"""Folders in front of a file's name in a text; addresses of the API do not match."""

SCHEDULE = "schedule"
"""Author of the jobs that RIYL_REINDEX_CRON submits."""


def shown_error(error: BaseException) -> str:
    """Return the text of a job's error as HTTP shows it."""
    if isinstance(error, TableError):
        return f"{error.file_and_row}: found another value; wanted {error.wanted} ({ALL_IS_IN})"
    if isinstance(error, StorageError):
        return error.public
    if isinstance(error, TELLS_NO_VALUES):
        return without_folders(str(error))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    kind = error.default_message() if isinstance(error, RiylError) else type(error).__name__
    return f"{kind} ({ALL_IS_IN})"


def shown_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return params or the result of a job as HTTP shows them."""
    return {name: _shown(value) for name, value in values.items() if name not in HIDDEN_RESULTS}


def shown_author(by: str) -> str:
    """Return the kind of an author: `key`, `schedule` or `command`."""
    return "key" if by.startswith(FROM_HTTP) else SCHEDULE if by == SCHEDULE else "command"


def without_folders(text: str) -> str:
    """Return a text in which paths of files have no folders."""
    return FOLDERS_OF_PATH.sub("", text)


def _shown(value: Any) -> Any:
    match value:
        case str():
            return without_folders(value)
        case dict():
            return shown_values(value)
        case list():
            return [_shown(each) for each in value]
    return value
