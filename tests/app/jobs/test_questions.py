"""Params of evaluations as questions: their embeddings are stored ones, and never files."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from riyl.app.evaluations.question import Question
from riyl.app.jobs.questions import check_embeddings, question_of
from riyl.app.jobs.types import EvaluateParams
from riyl.core.errors import FormatError, InputError, NotFoundError
from riyl.core.settings import Home
from riyl.core.storage.embeddings import ExternalEmbeddings, save_embeddings
from riyl.evaluation.bias import Bias


def store(home: Home, name: str, value: float) -> str:
    """Store the embedding of one artist, and return its id."""
    vectors = np.full((1, 2), value, np.float32)
    return save_embeddings(home.embeddings, name, ExternalEmbeddings(["a"], vectors, None), source="x.npy").id


def test_params_without_embeddings_are_the_same_question(tmp_path: Path) -> None:
    params = EvaluateParams(
        systems=["mine"],
        catalogs=["own=ab12", "b.2=0"],
        conditions=["fmc", "groups:fmc-judged"],
        bias=["own", "csls"],
        seeds=3,
        k=5,
    )
    assert question_of(params, Home(tmp_path)) == Question(
        systems=["mine"],
        catalogs={"own": "ab12", "b.2": "0"},
        conditions=["fmc", "groups:fmc-judged"],
        bias=("own", "csls"),
        seeds=3,
        k=5,
    )
    assert question_of(EvaluateParams(), Home(tmp_path)) == Question(conditions=["raw", "fmc"])


@pytest.mark.parametrize("catalog", ["own", "own=../ab", "a b=ab", "own=ab=cd", "=ab"])
def test_a_catalog_is_a_named_snapshot(catalog: str) -> None:
    with pytest.raises(ValidationError):
        EvaluateParams(catalogs=[catalog])


def test_each_catalog_has_a_name_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="catalogs: found own=ab, own=cd; wanted each under a name of its own"):
        question_of(EvaluateParams(catalogs=["own=ab", "own=cd"]), Home(tmp_path))


def test_embeddings_are_named_by_name_or_id_and_told_apart(tmp_path: Path) -> None:
    home = Home(tmp_path)
    old, walks, new = store(home, "gnn", 1), store(home, "walks", 1), store(home, "gnn", 2)
    for names, wanted in (
        (["gnn"], {"gnn": new}),
        (["walks", old], {"walks": walks, "gnn": old}),
        (["gnn", old, new], {"gnn": new, f"gnn {old}": old}),
    ):
        question = question_of(EvaluateParams(embeddings=names), home)
        assert question.embeddings == {name: f"stored:{id}" for name, id in wanted.items()}


def test_a_path_is_no_name_of_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home(Path("home"))
    id = store(home, "gnn", 1)
    np.save("x.npy", np.ones((1, 2), np.float32))
    for name in ("x.npy", f"home/embeddings/{id}", f"../embeddings/{id}", f"{id}/vectors.npy", f"stored:{id}"):
        for check in (check_embeddings, question_of):
            with pytest.raises(NotFoundError, match=r"there are no embeddings .*; there are: gnn"):
                check(EvaluateParams(embeddings=[name]), home)


def test_damaged_embeddings_are_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    id = store(home, "gnn", 1)
    (home.embeddings / id / "vectors.npy").write_bytes(b"")
    for check in (check_embeddings, question_of):
        with pytest.raises(FormatError, match="found 0 bytes"):
            check(EvaluateParams(embeddings=[id]), home)


def test_a_job_may_name_every_bias() -> None:
    (listed,) = get_args(EvaluateParams.model_fields["bias"].annotation)
    assert get_args(listed) == ("own", *get_args(Bias))
