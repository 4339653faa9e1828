"""Stored embeddings: the same content is stored once, is found by name or id, and damage is noticed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from riyl.core.errors import FormatError, InputError, MismatchError, NotFoundError
from riyl.core.external.embeddings import read_embeddings
from riyl.core.storage.embeddings import (
    MANIFEST,
    ExternalEmbeddings,
    StoredEmbeddings,
    find_embeddings,
    save_embeddings,
    stored_embeddings,
)

IDS = ["b", "Björk\n", "a"]
VECTORS = np.array([[1, 0.5], [0, -2], [0.25, 4]], np.float32)
PARTS = {"tags": VECTORS, "audio": np.array([[0, 0], [3, 4], [0, 1]], np.float32)}


def save(folder: Path, embeddings: ExternalEmbeddings, name: str = "gnn") -> StoredEmbeddings:
    return save_embeddings(folder, name, embeddings, source="gnn.npy")


@pytest.mark.parametrize(("vectors", "parts"), [(VECTORS, None), (None, PARTS), (VECTORS, PARTS)])
def test_what_is_stored_is_read_back(tmp_path: Path, vectors: np.ndarray | None, parts: dict | None) -> None:
    stored = save(tmp_path, ExternalEmbeddings(IDS, vectors, parts))
    again = StoredEmbeddings.open(stored.folder)
    assert (again.id, again.name, again.manifest["source"]) == (stored.folder.name, "gnn", "gnn.npy")
    assert again.manifest["counts"] == {"artists": 3, "dim": 2}
    assert again.manifest["modalities"] == sorted(parts or {})
    assert again.embeddings.ids == IDS
    assert (again.embeddings.vectors is None) == (vectors is None)
    if again.embeddings.vectors is not None:
        assert again.embeddings.vectors.tolist() == VECTORS.tolist()
    if parts is None:
        assert again.embeddings.parts is None
    else:
        assert again.embeddings.parts is not None
        assert {name: part.tolist() for name, part in again.embeddings.parts.items()} == {
            name: part.tolist() for name, part in parts.items()
        }


def test_the_same_content_under_the_same_name_is_stored_once(tmp_path: Path) -> None:
    first = save(tmp_path, ExternalEmbeddings(IDS, VECTORS, None))
    in_columns = ExternalEmbeddings(list(IDS), np.asfortranarray(VECTORS), None)
    assert save_embeddings(tmp_path, "gnn", in_columns, source="elsewhere").id == first.id
    assert [path.name for path in tmp_path.iterdir()] == [first.id]


def test_other_content_or_another_name_is_another_id(tmp_path: Path) -> None:
    other = VECTORS.copy()
    other[2, 1] = np.nextafter(np.float32(4), np.float32(5))
    ids = {
        save(tmp_path, ExternalEmbeddings(IDS, VECTORS, None)).id,
        save(tmp_path, ExternalEmbeddings(IDS, VECTORS, None), "other").id,
        save(tmp_path, ExternalEmbeddings(IDS, other, None)).id,
        save(tmp_path, ExternalEmbeddings(IDS[::-1], VECTORS, None)).id,
        save(tmp_path, ExternalEmbeddings(["bB", "jörk\n", "a"], VECTORS, None)).id,
        save(tmp_path, ExternalEmbeddings(IDS, None, {"tags": VECTORS})).id,
        save(tmp_path, ExternalEmbeddings(IDS, None, {"audio": VECTORS})).id,
        save(tmp_path, ExternalEmbeddings(IDS, VECTORS.reshape(2, 3)[:, :2].repeat(2, axis=0)[:3], None)).id,
    }
    assert len(ids) == 8


def test_embeddings_are_found_by_name_or_id_the_newest_first(tmp_path: Path) -> None:
    first = save(tmp_path, ExternalEmbeddings(IDS, VECTORS, None))
    second = save(tmp_path, ExternalEmbeddings(IDS, VECTORS + 1, None))
    other = save(tmp_path, ExternalEmbeddings(IDS, VECTORS, None), "other")
    for age, stored in enumerate((first, second, other)):
        os.utime(stored.folder / MANIFEST, ns=(age * 10**9, age * 10**9))
    assert find_embeddings(tmp_path, "gnn").id == second.id
    assert find_embeddings(tmp_path, first.id).id == first.id
    assert list(stored_embeddings(tmp_path)) == [first.id, second.id, other.id]
    with pytest.raises(NotFoundError, match=r"there are no embeddings 'x' in .*; there are: gnn, other"):
        find_embeddings(tmp_path, "x")
    with pytest.raises(NotFoundError, match="there are: none"):
        find_embeddings(tmp_path / "empty", "x")


def test_damage_is_an_error(tmp_path: Path) -> None:
    stored = save(tmp_path, ExternalEmbeddings(IDS, None, PARTS))
    file = stored.folder / "parts" / "audio.npy"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"\x7f")
    with pytest.raises(FormatError, match="audio.npy: damaged, found sha256"):
        find_embeddings(tmp_path, "gnn")
    file.unlink()
    with pytest.raises(FormatError, match="audio.npy: damaged, found no such file"):
        StoredEmbeddings.open(stored.folder)
    assert isinstance(stored_embeddings(tmp_path)[stored.id], FormatError)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb"])
def test_a_name_that_people_cannot_read_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="name of embeddings: found .*; wanted 1 to 100 printable characters"):
        save(tmp_path, ExternalEmbeddings(IDS, VECTORS, None), name)


def test_embeddings_without_numbers_or_of_several_shapes_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found neither vectors nor parts"):
        save(tmp_path, ExternalEmbeddings(IDS, None, {}))
    with pytest.raises(MismatchError, match=r"parts/tags.npy: found shape \(3, 1\); wanted \(3, 2\), with 3 ids"):
        save(tmp_path, ExternalEmbeddings(IDS, VECTORS, {"tags": VECTORS[:, :1]}))
    with pytest.raises(MismatchError, match=r"vectors.npy: found shape \(3, 2\); wanted \(2, 2\), with 2 ids"):
        save(tmp_path, ExternalEmbeddings(IDS[:2], VECTORS, None))
    with pytest.raises(InputError, match="name of a modality: found '../x'"):
        save(tmp_path, ExternalEmbeddings(IDS, None, {"../x": VECTORS}))
    assert list(tmp_path.iterdir()) == []


def test_embeddings_of_a_file_can_be_stored(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VECTORS.astype(np.float64))
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    embeddings = read_embeddings(tmp_path / "x.npy", tmp_path / "ids.txt")
    stored = save(tmp_path / "home", embeddings).embeddings
    assert stored.ids == ["a", "b", "c"]
    assert stored.vectors is not None
    assert stored.vectors.tolist() == VECTORS.tolist()
