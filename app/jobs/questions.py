"""Evaluations that jobs name: their params as a question, and what the home must hold for them."""

from __future__ import annotations

from pathlib import Path

from riyl.app.evaluations.question import Question
from riyl.app.jobs.disclosure import without_folders
from riyl.app.jobs.types import EvaluateParams
from riyl.core.errors import InputError, NotFoundError
from riyl.core.settings import Home
from riyl.core.storage.embeddings import STORED, embeddings_manifest, newest_embeddings


def question_of(params: EvaluateParams, home: Home) -> Question:
    """Return the question of a job.

    Each of its embeddings is a system under their name, and with their id too if another one has that name. A question
    may name files; a job may not, so that its embeddings are always ids behind `STORED`.

    Raises:
        InputError: two catalogs have the same name.
        NotFoundError: there are no such embeddings.
        FormatError: they are damaged.
    """
    embeddings: dict[str, str] = {}
    for folder in _folders(params, home):
        name = str(embeddings_manifest(folder)["name"])
        embeddings[f"{name} {folder.name}" if name in embeddings else name] = f"{STORED}{folder.name}"
    catalogs = dict(catalog.split("=") for catalog in params.catalogs)
    if len(catalogs) < len(params.catalogs):
        raise InputError(f"catalogs: found {', '.join(params.catalogs)}; wanted each under a name of its own")
    fields = params.model_dump(exclude={"embeddings", "bias", "catalogs"})
    return Question(**fields, embeddings=embeddings, bias=tuple(params.bias), catalogs=catalogs)


def check_embeddings(params: EvaluateParams, home: Home) -> None:
    """Check that the embeddings of a job are stored and their manifests readable, before it is submitted.

    Raises:
        NotFoundError: there are no such embeddings; the message names no folder of the server.
        FormatError: they are damaged.
    """
    try:
        for folder in _folders(params, home):
            embeddings_manifest(folder)
    except NotFoundError as error:
        raise NotFoundError(without_folders(str(error))) from error


def _folders(params: EvaluateParams, home: Home) -> list[Path]:
    """Return the folders of the embeddings of a job, each once."""
    return list(dict.fromkeys(newest_embeddings(home.embeddings, name) for name in params.embeddings))
