from __future__ import annotations

import subprocess
import sys

from threadpoolctl import threadpool_info

from riyl.core.threads import limit_threads
from tests.conftest import REPOSITORY

LATER = """
import numpy
from riyl.core.threads import limit_threads
from threadpoolctl import threadpool_info

with limit_threads(1):
    before = {each["filepath"] for each in threadpool_info()}
import faiss
with limit_threads(1):
    numbers = {each["filepath"]: each["num_threads"] for each in threadpool_info()}
assert numbers.keys() > before
print({*numbers.values()})
"""


def numbers() -> dict[str, int]:
    return {each["filepath"]: each["num_threads"] for each in threadpool_info()}


def test_the_number_holds_in_the_block_and_is_what_it_was_after_it() -> None:
    before = numbers()
    with limit_threads(1):
        assert {*numbers().values()} == {1}
        with limit_threads(2):
            assert {*numbers().values()} == {2}
        assert {*numbers().values()} == {1}
    assert numbers() == before


def test_0_leaves_the_number() -> None:
    with limit_threads(1), limit_threads(0):
        assert {*numbers().values()} == {1}


def test_libraries_that_are_loaded_later_are_limited_too() -> None:
    done = subprocess.run([sys.executable, "-c", LATER], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{1}\n", "")
