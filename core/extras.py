"""Optional dependencies of the distribution, which `pip install riyl[EXTRA]` brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from riyl.core.errors import MissingExtraError


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Raise an error that names the extra to install if the block imports a package that is not installed.

    Raises:
        MissingExtraError: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise MissingExtraError(
            f"found no package {package!r}; wanted the extra {extra!r}: pip install 'riyl[{extra}]'"
        ) from error
