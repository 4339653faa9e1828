"""Parameters of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from riyl.app.evaluations.command import option


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
        queries: text file of the artist ids that lists are made for; None takes every artist of a condition.
        candidates: text file of the artist ids that lists are made of; None takes every artist of a condition.
        snapshot: snapshot whose artists are used, by id or a prefix of it. None is the newest; if a model is named,
            the newest that has its featurizer; if a version is named, the version's own.
        catalogs: by name, the snapshots of other catalogs of the study, by id or a prefix of it. Their systems stand
            beside those of the first under NAME/, and `systems` names them with NAME/ in front, or without it in every
            catalog that has such a system. None in `systems` is there always the newest of each name and every
            baseline.
        maps: by name of a catalog, the file that maps artists of the first catalog to its own, see
            `riyl.core.external.artist_map.read_artist_map`. A catalog without one is joined by mbid.
        k: length of a list.
        rounds: number of bootstrap rounds.
        seed: seed of ties, noise, groups, resampling and the baselines.
    """

    truth: str | None = None
    systems: Sequence[str] | None = None
    model: str | None = None
    version: str | None = None
    conditions: Sequence[str] = ("raw", "fmc")
    queries: str | None = None
    candidates: str | None = None
    snapshot: str | None = None
    catalogs: Mapping[str, str] = field(default_factory=dict, metadata=option("--catalog"))
    maps: Mapping[str, str] = field(default_factory=dict, metadata=option("--map"))
    k: int = 200
    rounds: int = 1000
    seed: int = 0
