from __future__ import annotations

from importlib.machinery import ModuleSpec

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import riyl.app.python.frames
from riyl.app.python.frames import BACKENDS, Backend, choose_backend, rows_to_frame, to_frame
from riyl.core.errors import InputError
from tests.app.python.frames import columns_of, rows_of

KINDS = {"polars": pl.DataFrame, "pandas": pd.DataFrame, "pyarrow": pa.Table}
SCHEMA = pa.schema({"name": pa.string(), "count": pa.int64()})


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let only these libraries of data frames be installed."""
    spec = ModuleSpec("x", None)
    monkeypatch.setattr(riyl.app.python.frames, "find_spec", lambda name: spec if name in names else None)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_frame_is_of_its_backend_and_has_the_values(backend: Backend) -> None:
    words = pa.array(["x", "y", "x"]).dictionary_encode()
    frame = to_frame(pa.table({"word": words, "number": pa.array([0.5, None, 2.0])}), backend)
    assert isinstance(frame, KINDS[backend])
    assert rows_of(frame) == [
        {"word": "x", "number": 0.5},
        {"word": "y", "number": None},
        {"word": "x", "number": 2.0},
    ]


def test_dictionary_encoded_texts_are_plain_texts() -> None:
    frame = to_frame(pa.table({"word": pa.array(["x", "y"]).dictionary_encode()}), "polars")
    assert frame.schema == {"word": pl.String}


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_have_the_columns_of_the_schema_and_their_own(backend: Backend) -> None:
    frame = rows_to_frame([{"name": "a", "share": 0.25}, {"count": 3, "undefined": None}], SCHEMA, backend)
    assert columns_of(frame) == ["name", "count", "share", "undefined"]
    assert rows_of(frame) == [
        {"name": "a", "count": None, "share": 0.25, "undefined": None},
        {"name": None, "count": 3, "share": None, "undefined": None},
    ]
    assert columns_of(rows_to_frame([], SCHEMA, backend)) == ["name", "count"]


def test_a_column_without_values_is_one_of_numbers() -> None:
    assert rows_to_frame([{"figure": None}], pa.schema({}), "polars").schema == {"figure": pl.Float64}


@pytest.mark.parametrize(
    ("present", "taken"),
    [(("polars", "pandas", "pyarrow"), "polars"), (("pandas", "pyarrow"), "pandas"), (("pyarrow",), "pyarrow")],
)
def test_without_a_name_the_first_installed_library_is_taken(
    monkeypatch: pytest.MonkeyPatch, present: tuple[str, ...], taken: str
) -> None:
    installed(monkeypatch, *present)
    assert choose_backend(None) == taken


def test_a_backend_that_is_unknown_or_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"^backend: found 'dask'; wanted polars, pandas or pyarrow$"):
        choose_backend("dask")
    installed(monkeypatch, "pandas", "pyarrow")
    assert choose_backend("pandas") == "pandas"
    wanted = r"^backend: found 'polars', which is not installed; wanted it, or one of: pandas, pyarrow$"
    with pytest.raises(InputError, match=wanted):
        choose_backend("polars")
