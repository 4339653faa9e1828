"""Systems of an evaluation that other programs computed: embeddings and ranked lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from riyl.app.evaluations.question import Question
from riyl.core.catalog.pairs import read_pairs
from riyl.core.errors import InputError
from riyl.core.external.embeddings import read_embeddings
from riyl.core.external.runs import read_run
from riyl.core.settings import Home
from riyl.core.storage.embeddings import STORED, ExternalEmbeddings, find_embeddings
from riyl.core.types import ArtistId, Mask
from riyl.evaluation.bias import biased_system
from riyl.evaluation.external_embeddings import EmbeddingCounts, align_embeddings
from riyl.evaluation.external_runs import RunCounts, align_run
from riyl.evaluation.subject import Subject

NOTHING = "none"
"""Value of `Question.seen` of a system that was fitted on no pairs."""

UNKNOWN, DECLARED_NOTHING = "unknown", "fitted on no pairs"


@dataclass(frozen=True)
class ExternalSystem:
    """A system that another program computed.

    Attributes:
        subject: the system, with the cosine as its score.
        source: file or id that it was read from.
        counts: its overlap with the catalog.
    """

    subject: Subject
    source: str
    counts: EmbeddingCounts | RunCounts

    @property
    def plain(self) -> dict[str, Any]:
        """Return a description as JSON values."""
        return {
            "system": self.subject.name,
            "source": self.source,
            "history": self.subject.history,
            "modalities": sorted(self.subject.parts or ()),
            "counts": {**asdict(self.counts), "summary": self.counts.summary},
        }


def external_systems(home: Home, question: Question, artist_ids: Sequence[ArtistId]) -> list[ExternalSystem]:
    """Read the systems of a question that other programs computed, embeddings first.

    Raises:
        InputError: a name or a file is invalid.
        MismatchError: a file has none of the artists.
        NotFoundError: there are no such stored embeddings.
    """
    _check_names(question)
    return [*_embeddings(home, question, artist_ids), *_runs(question, artist_ids)]


def _embeddings(home: Home, question: Question, artist_ids: Sequence[ArtistId]) -> Iterator[ExternalSystem]:
    for name, source in question.embeddings.items():
        aligned = align_embeddings(_read(home, question, name, source), artist_ids)
        unseen, history = _history(question, name, artist_ids)
        system = biased_system(name, aligned.vectors, aligned.covered, "none")
        subject = Subject(system, parts=aligned.parts, unseen=unseen, history=history)
        yield ExternalSystem(subject, source, aligned.counts)


def _read(home: Home, question: Question, name: str, source: str) -> ExternalEmbeddings:
    if source.startswith(STORED):
        return find_embeddings(home.embeddings, source.removeprefix(STORED)).embeddings
    path = Path(source)
    ids = question.ids.get(name, question.ids.get("") if path.suffix == ".npy" else None)
    return read_embeddings(path, None if ids is None else Path(ids))


def _runs(question: Question, artist_ids: Sequence[ArtistId]) -> Iterator[ExternalSystem]:
    for name, source in question.runs.items():
        aligned = align_run(read_run(Path(source)), artist_ids)
        unseen, history = _history(question, name, artist_ids)
        subject = Subject(aligned.system(name), unseen=unseen, history=history)
        yield ExternalSystem(subject, source, aligned.counts)


def _history(question: Question, name: str, artist_ids: Sequence[ArtistId]) -> tuple[Mask | None, str]:
    """Return the artists outside of the pairs that a system was fitted on, None for all, and a text for readers."""
    source = question.seen.get(name)
    if source is None:
        return None, UNKNOWN
    if source == NOTHING:
        return None, DECLARED_NOTHING
    pairs = read_pairs(Path(source))
    linked = {artist for column in ("artist_id", "similar_id") for artist in pairs[column].to_pylist()}
    unseen = np.array([artist not in linked for artist in artist_ids], bool)
    return None if unseen.all() else unseen, f"fitted on {pairs.num_rows} pairs"


def _check_names(question: Question) -> None:
    """Raise an InputError for options that name no system, or a system twice."""
    names = [*question.embeddings, *question.runs]
    if len(set(names)) < len(names):
        raise InputError(f"embeddings and runs: found the names {', '.join(names)}; wanted each once")
    options: dict[str, tuple[Mapping[str, str], Sequence[str]]] = {
        "ids": (question.ids, ["", *question.embeddings]),
        "seen": (question.seen, names),
    }
    for option, (given, known) in options.items():
        unknown = [name for name in given if name not in known]
        if unknown:
            wanted = ", ".join(name for name in known if name) or "embeddings or a run of this name"
            raise InputError(f"{option}: found {unknown[0]!r}; wanted one of the systems named: {wanted}")
