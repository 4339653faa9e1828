"""RIYL ("recommended if you like"): artist similarity from tags, listeners and sound."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from riyl.app.python.catalog import Catalog

__all__ = ["__version__", "open"]

__version__ = version("riyl")


def open(home: str | Path | None = None, *, backend: str | None = None) -> Catalog:
    """Open a home: its snapshots, models, index versions, similar artists and evaluations, as data frames.

    Args:
        home: folder of all data of RIYL; None is RIYL_HOME, else ./riyl-home, as for the command line.
        backend: "polars", "pandas" or "pyarrow"; None is the first of these that is installed.

    Raises:
        riyl.core.errors.NotFoundError: there is no such folder.
        riyl.core.errors.OutdatedError: the home is of an earlier release; the message has the command to run.
        riyl.core.errors.InputError: the backend is unknown or not installed.
        riyl.core.errors.SettingsError: a RIYL_ environment variable is invalid.

    Example:
        >>> import riyl
        >>> catalog = riyl.open("riyl-home")
        >>> catalog.similar("a0000337", k=5)
        >>> catalog.evaluate(["default", "paper-msd"]).figure(1)
    """
    # imported here, so that `import riyl` stays light; no other module may import this one, or layers would form a ring
    from riyl.app.python.catalog import open_catalog

    return open_catalog(home, backend=backend)
