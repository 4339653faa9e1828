"""Tests of `riyl embeddings`: imports and the list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riyl.core.errors import InputError
from riyl.core.settings import Home
from riyl.core.storage.embeddings import find_embeddings
from tests.app.conftest import as_json, riyl


def write_matrix(folder: Path) -> tuple[Path, Path]:
    """Write a matrix of two artists, and the file of its ids."""
    np.save(folder / "gnn.npy", np.array([[1, 0, 0], [0, 2, 0]], np.float32))
    (folder / "rows.txt").write_text("a000\na001\n")
    return folder / "gnn.npy", folder / "rows.txt"


def test_a_matrix_is_stored_under_the_name_of_its_file_or_another(tmp_path: Path) -> None:
    matrix, ids = write_matrix(tmp_path)
    output = riyl(tmp_path / "home", "embeddings", "import", str(matrix), "--ids", str(ids)).stdout
    stored = find_embeddings(Home(tmp_path / "home").embeddings, "gnn")
    assert output == f"embeddings gnn {stored.id}: 2 artists, 3 dimensions, a single matrix\n"
    assert stored.embeddings.ids == ["a000", "a001"]
    again = as_json(tmp_path / "home", "embeddings", "import", str(matrix), "--ids", str(ids), "--name", "walks")
    assert (again["name"], again["source"], again["counts"]) == ("walks", "gnn.npy", {"artists": 2, "dim": 3})
    assert again["id"] != stored.id


def test_a_folder_is_stored_with_its_parts(tmp_path: Path) -> None:
    (tmp_path / "gnn" / "parts").mkdir(parents=True)
    (tmp_path / "gnn" / "ids.txt").write_text("a000\na001\n")
    for name in ("tags", "audio"):
        np.save(tmp_path / "gnn" / "parts" / f"{name}.npy", np.ones((2, 2), np.float32))
    output = riyl(tmp_path / "home", "embeddings", "import", str(tmp_path / "gnn")).stdout
    assert output.endswith(": 2 artists, 2 dimensions, parts audio, tags\n")


def test_a_matrix_without_ids_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    matrix, _ = write_matrix(tmp_path)
    with pytest.raises(InputError, match=r"gnn\.npy: found no ids of its rows; wanted a file with one artist id"):
        riyl(tmp_path / "home", "embeddings", "import", str(matrix))
    assert as_json(tmp_path / "home", "embeddings", "list") == []


def test_the_list_has_the_newest_last_and_names_the_damaged(tmp_path: Path) -> None:
    home = tmp_path / "home"
    matrix, ids = write_matrix(tmp_path)
    first, second = (
        as_json(home, "embeddings", "import", str(matrix), "--ids", str(ids), "--name", name)["id"]
        for name in ("gnn", "walks")
    )
    assert [each["id"] for each in as_json(home, "embeddings", "list")] == [first, second]
    lines = riyl(home, "embeddings", "list").stdout.splitlines()
    assert [line.split()[:4] for line in lines[-2:]] == [["gnn", first, "2", "3"], ["walks", second, "2", "3"]]
    (Home(home).embeddings / first / "manifest.json").write_text("[]")
    by_id = {each["id"]: each for each in as_json(home, "embeddings", "list")}
    assert "found kind None; wanted 'riyl-embeddings'" in by_id[first]["damaged"]
    assert by_id[second]["name"] == "walks"
    assert "damaged: " in riyl(home, "embeddings", "list").stdout
