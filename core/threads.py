"""Limits the threads of matrix products, without a search for the loaded libraries at every limit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Run BLAS and OpenMP on this many threads in the block; 0 leaves their number as it is."""
    if threads:
        with _libraries(len(sys.modules)).limit(limits=threads):
            yield
    else:
        yield


# threadpoolctl reads all mappings of the process to find them, which takes milliseconds, more than a small search does;
# a library is loaded by the import of a module, so that their number tells whether there may be new ones
@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """Return the libraries that are loaded while this many modules are."""
    return ThreadpoolController()
