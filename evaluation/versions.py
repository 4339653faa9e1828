"""Versions of the index by the protocol: what a service answers from, held against a truth."""

from __future__ import annotations

import numpy as np

from core.metrics import ndcg
from core.truth import Truth
from evaluation.conditions import conditions_of
from evaluation.protocol import System, judge
from evaluation.systems import Parts, scored_system
from index.artifact import Version

NDCG_AT = 200


def version_system(version: Version) -> System:
    """A version, with its corrections, as a system over its own artists."""
    return scored_system(f"version {version.id}", version.embeddings, version.known, version.patterns, version.scoring)


def version_parts(version: Version) -> Parts | None:
    """The parts of its artists by modality, as `evaluation.systems.model_parts` has them but for each artist's scale.

    None of a version of format 1, which holds none.
    """
    if version.manifest["format"] < 2:
        return None
    found = {}
    for name, parts in version.parts.items():
        found[name] = np.zeros(version.embeddings.shape, np.float32)
        found[name][parts.rows] = parts.vectors
    return found


def version_ndcg(version: Version, truth: Truth) -> float:
    """Mean nDCG@200 in the condition raw; NaN where it has no query.

    The ready lists are what the protocol retrieves there: exact, and equal scores in the order of its default seed.
    """
    raw = conditions_of(version)[0]
    judged = judge(version.neighbours[raw.rows, :NDCG_AT], raw, truth.relevance(version.artist_ids))
    scores = ndcg(judged.hits, judged.n_relevant)
    return float(np.mean(scores)) if len(scores) else float("nan")
