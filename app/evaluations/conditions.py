"""Conditions of an evaluation, from the names that it gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from riyl.app.evaluations.question import Question
from riyl.core.errors import InputError
from riyl.core.external.ids import read_ids
from riyl.core.storage.ground_truth import Relevance
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Rows
from riyl.evaluation.catalogs import JoinedCatalog, having_all, shared_modalities
from riyl.evaluation.conditions import Condition, conditions_of, judged_only, limited
from riyl.evaluation.groups import Groups, deal_groups
from riyl.index.artifact.version import Version

GROUPS = "groups"
"""Condition of modality groups, which is not a set of single artists: those of fmc."""

GROUPS_OF = f"{GROUPS}:"
"""Prefix of the modality groups of another condition."""


def study_conditions(
    question: Question, catalog: Snapshot | Version, relevance: Relevance, others: Sequence[JoinedCatalog] = ()
) -> tuple[list[Condition], Mapping[str, Sequence[Groups]]]:
    """Return the conditions of an evaluation, and by condition the modality groups of its artists.

    Queries and candidates of the question limit every condition; groups are divided among the condition's own artists
    that have all modalities in every catalog. Their subsets are over the modalities that all catalogs have: a modality
    that one catalog lacks is masked in every group.

    Args:
        question: parameters of the evaluation.
        catalog: the catalog whose artists are those of the study.
        relevance: the ground truth over these.
        others: other catalogs of the study.

    Raises:
        InputError: a condition or a file of ids is invalid, or all conditions are groups; or the catalogs share no
            modality and groups are asked for.
    """
    named = [name for name in question.conditions if name != GROUPS and not name.startswith(GROUPS_OF)]
    if not named:
        raise InputError(f"conditions: found only {GROUPS}; wanted also raw, fmc or a text file of artist ids")
    queries, candidates = (
        None if name is None else _rows(Path(name), catalog) for name in (question.queries, question.candidates)
    )
    conditions = [limited(_condition(name, catalog, relevance, others), queries, candidates) for name in named]
    groupings = {}
    for name in question.conditions:
        if name == GROUPS or name.startswith(GROUPS_OF):
            of = _condition(name.removeprefix(GROUPS_OF) if name != GROUPS else "fmc", catalog, relevance, others)
            full = of.rows[having_all(catalog, others)[of.rows]]
            groupings[of.name] = deal_groups(full, shared_modalities(catalog, others), question.seed)
    return conditions, groupings


def _condition(
    name: str, catalog: Snapshot | Version, relevance: Relevance, others: Sequence[JoinedCatalog]
) -> Condition:
    standard_conditions = conditions_of(catalog, others)
    by_name = {c.name: c for c in [*standard_conditions, *(judged_only(c, relevance) for c in standard_conditions)]}
    if name in by_name:
        return by_name[name]
    path = Path(name)
    if not path.is_file():
        wanted = ", ".join([*by_name, GROUPS, f"{GROUPS_OF}CONDITION"])
        raise InputError(f"conditions: found {name!r}; wanted {wanted} or a text file of artist ids")
    rows = _rows(path, catalog)
    return Condition(path.stem, rows, is_full=bool(having_all(catalog, others)[rows].all()))


def _rows(path: Path, catalog: Snapshot | Version) -> Rows:
    """Return the rows of the artists that a text file names, ascending.

    Raises:
        InputError: the file is invalid, or names an artist that the catalog lacks.
    """
    ids = read_ids(path)
    at = {artist_id: row for row, artist_id in enumerate(catalog.artist_ids)}
    unknown = [artist_id for artist_id in ids if artist_id not in at]
    if unknown:
        kind = "snapshot" if isinstance(catalog, Snapshot) else "version"
        shown_ids = f"{len(unknown)} ids that {kind} {catalog.id} lacks, the first is {unknown[0]!r}"
        raise InputError(f"{path}: found {shown_ids}; wanted ids of its artists, one per line")
    return np.unique([at[artist_id] for artist_id in ids]).astype(np.int32)
