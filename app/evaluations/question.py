"""Parameters of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from riyl.app.evaluations.command import option
from riyl.core.errors import InputError


@dataclass(frozen=True)
class Question:
    """Parameters of an evaluation.

    Attributes:
        truth: name or id of the ground truth; None is the newest.
        systems: models and baselines by name or id. "all" is every model of the snapshot's featurizer with each subset
            of its modalities and from each seed, and every baseline, except those that could embed no artist. None is
            the newest model of each name and every baseline, or none if a version or a model is named.
        model: model by name or id, wherever it was trained. It comes first, so that the others are compared to it.
        version: version by id or a prefix of it. It comes first, so that the others are compared to it.
        conditions: "raw", "fmc", the same with the suffix "-judged" (see `riyl.evaluation.conditions.judged_only`), or
            text files of artist ids, one per line. "groups" is the modality groups of fmc, "groups:CONDITION" those of
            the artists of another condition that have all modalities.
        embeddings: by the name of a system, embeddings that another program computed: a path
            (`riyl.core.external.embeddings.read_embeddings`), or `stored:` and the id of stored ones.
        ids: by the name of a system of `embeddings`, the file of its ids; the name "" is for all others.
        runs: by the name of a system, ranked lists that another program computed, see
            `riyl.core.external.runs.read_run`.
        seen: by the name of a system of `embeddings` or `runs`, the pairs of artists that it was fitted on, or "none".
            The history of other such systems is unknown.
        bias: corrections of scores, see `riyl.evaluation.bias.Bias`; "own" is that of each system. With several, each
            system is measured with each of them. Empty is the same as "own".
        seeds: number of seeds that models whose training depends on chance are trained from, and reported over.
        queries: text file of the artist ids that lists are made for; None takes every artist of a condition.
        candidates: text file of the artist ids that lists are made of; None takes every artist of a condition.
        snapshot: snapshot whose artists are used, by id or a prefix of it. None is the newest of the promoted version's
            line (`riyl.index.versions.line`); if a model is named, the newest that has its featurizer; if a version is
            named, the version's own.
        catalogs: by name, the snapshots of other catalogs of the study, by id or a prefix of it. Their systems stand
            beside those of the first under NAME/, and `systems` names them with NAME/ in front, or without it in every
            catalog that has such a system. None in `systems` is there always the newest of each name and every
            baseline.
        maps: by name of a catalog, the file that maps artists of the first catalog to its own, see
            `riyl.core.external.artist_map.read_artist_map`. A catalog without one is joined by mbid.
        k: length of a list.
        rounds: number of bootstrap rounds.
        seed: seed of ties, noise, groups, resampling and the baselines.

    Raises:
        InputError: a number is too small.
    """

    truth: str | None = None
    systems: Sequence[str] | None = None
    model: str | None = None
    version: str | None = None
    conditions: Sequence[str] = ("raw", "fmc")
    embeddings: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, str] = field(default_factory=dict, metadata=option("--run"))
    seen: Mapping[str, str] = field(default_factory=dict)
    bias: Sequence[str] = ()
    seeds: int = 1
    queries: str | None = None
    candidates: str | None = None
    snapshot: str | None = None
    catalogs: Mapping[str, str] = field(default_factory=dict, metadata=option("--catalog"))
    maps: Mapping[str, str] = field(default_factory=dict, metadata=option("--map"))
    k: int = 200
    rounds: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what holds of every home."""
        for name, least in {"seeds": 1, "k": 1, "rounds": 1, "seed": 0}.items():
            if (value := getattr(self, name)) < least:
                raise InputError(f"{name}: found {value}; wanted at least {least}")
