"""Models on disk: the list of a folder's models, with those that cannot be read."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from riyl.core.errors import FormatError, OutdatedError
from riyl.core.storage.model import PART, Model, Part, model_states, save_model


def make(models: Path, name: str, at: int) -> Model:
    """Save a model of a modality, whose one file holds its name, and whose card is as old as `at` says."""
    card = {"id": name, "name": name.upper(), "seed": 0, "snapshot": "s", "featurizer": "f", "dim": 2, "scores": {}}
    card["config"] = {"method": "pca"}
    model = save_model(models, {"tags": (Part("vector", 2), name.encode())}, None, card)
    os.utime(model.folder / "card.json", (at, at))
    return model


def test_models_are_listed_by_the_age_of_their_cards_the_newest_first(tmp_path: Path) -> None:
    for name, at in (("b", 2000), ("a", 3000), ("c", 1000)):
        make(tmp_path, name, at)
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert [id for id, _ in model_states(tmp_path)] == ["a", "b", "c"]
    assert list(model_states(tmp_path / "nowhere")) == []


def test_what_cannot_be_read_is_listed_with_its_error_and_stops_nothing(tmp_path: Path) -> None:
    for name, at in (("whole", 5000), ("garbled", 4000), ("flipped", 3000), ("old", 2000), ("wrong", 1000)):
        make(tmp_path, name, at)
    (tmp_path / "empty").mkdir()
    os.utime(tmp_path / "empty", (500, 500))
    for name, text in {"garbled": "{", "old": '{"kind": "riyl-model", "format": 1}'}.items():
        (tmp_path / name / "card.json").write_text(text)
        os.utime(tmp_path / name / "card.json", (4000 if name == "garbled" else 2000,) * 2)
    card = json.loads((tmp_path / "wrong" / "card.json").read_text())
    (tmp_path / "wrong" / "card.json").write_text(json.dumps({**card, "config": 3}))
    os.utime(tmp_path / "wrong" / "card.json", (1000, 1000))
    (tmp_path / "flipped" / "tags.onnx").write_bytes(b"flippee")
    states = dict(model_states(tmp_path, verify=True))
    assert list(states) == ["whole", "garbled", "flipped", "old", "wrong", "empty"]
    assert [type(state) for state in states.values()] == [
        Model,
        FormatError,
        FormatError,
        OutdatedError,
        FormatError,
        FormatError,
    ]
    assert "found no card.json" in str(states["empty"])
    assert "found sha256" in str(states["flipped"])
    assert "field config" in str(states["wrong"])
    assert isinstance(dict(model_states(tmp_path))["flipped"], Model)  # the content is only read to verify it


def test_a_model_was_trained_when_its_oldest_file_was_written(tmp_path: Path) -> None:
    model = make(tmp_path, "a", 9000)
    os.utime(model.folder / "tags.onnx", (7200, 7200))
    assert model.trained_at == datetime(1970, 1, 1, 2, tzinfo=UTC)
    assert model.method == "pca"


def test_blocks_of_an_input_come_back_and_an_older_card_has_none(tmp_path: Path) -> None:
    card = {"id": "a", "name": "A", "seed": 0, "snapshot": "s", "featurizer": "f", "dim": 2, "scores": {}}
    takes = Part("vector", 5, blocks=("listeners",))
    assert save_model(tmp_path, {"cf": (takes, b"")}, None, card).parts == {"cf": takes}
    assert PART.validate_python({"input": "vector", "width": 2, "max_terms": 0}).blocks == ()


def test_relations_are_those_of_the_card_and_an_older_card_has_one_of_weight_1(tmp_path: Path) -> None:
    base = {"name": "M", "seed": 0, "snapshot": "s", "featurizer": "f", "dim": 2, "scores": {}}
    entries = [{"id": "r1", "name": "a", "weight": 1.0, "pairs": 3}, {"id": "r2", "name": "b", "weight": 0.25}]
    cases: dict[str, tuple[dict[str, object], dict[str, float]]] = {
        "new": ({"supervision": {"artists": 4, "relations": entries}}, {"r1": 1.0, "r2": 0.25}),
        "old": ({"supervision": {"id": "r3", "name": "c", "artists": 4}}, {"r3": 1.0}),
        "without": ({}, {}),
    }
    for name, (card, wanted) in cases.items():
        model = save_model(tmp_path, {"tags": (Part("vector", 2), b"")}, None, {**base, "id": name, **card})
        assert model.relations == wanted
