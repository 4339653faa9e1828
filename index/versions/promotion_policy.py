"""The promotion policy: checks of a version against the current one that it must pass to replace it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from riyl.core.settings import Settings
from riyl.index.artifact.version import Version
from riyl.index.versions.report import Check, Report

OVERLAP_AT = 50
SAMPLE = 1_000
SEED = 0
"""Seed of the sample of artists whose lists are compared."""

FIGURES = {"rows": "rows", "artists": "artists", "listeners": "listeners", "used": "entries known to the featurizer"}
"""Counts of a table, see `riyl.training.features.sizes`, and their names in checks."""


@dataclass(frozen=True)
class Limits:
    """Limits on how far a version may fall behind the current one.

    Attributes:
        min_share: minimum number of artists embedded, as a share of the current version's.
        min_table_share: minimum rows, artists and listeners of each table, as a share of the current version's.
        min_overlap: minimum mean overlap@50 of an artist's two lists, 0..1.
        max_drop: maximum drop of nDCG@200, as a share of the current version's.
    """

    min_share: float
    min_table_share: float
    min_overlap: float
    max_drop: float

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return the limits of the settings."""
        return cls(
            settings.quality_min_share,
            settings.quality_min_table_share,
            settings.quality_min_overlap,
            settings.quality_max_drop,
        )


def judge(
    version: Version, last: Version | None, limits: Limits, *, ndcg: Callable[[Version], float] | None = None
) -> Report:
    """Return a report of the version's own quality checks, followed by those against the current version.

    Args:
        version: the version to promote.
        last: the current version. With None, the same version, or one without embeddings, there is no comparison.
        limits: limits of the promotion policy.
        ndcg: computes the mean nDCG@200 of a version on the configured ground truth; NaN, which passes no check, where
            it has no query. None leaves this check out.
    """
    report = Report.of(version.manifest["quality_checks"])
    if last is None or last.id == version.id or not last.has_embedding.any():
        return report
    share = int(version.has_embedding.sum()) / int(last.has_embedding.sum())
    checks = [
        _at_least(
            "artists embedded, as a share of the current version's", share, limits.min_share, "RIYL_QUALITY_MIN_SHARE"
        ),
        *_tables(version, last, limits.min_table_share),
        _at_least(
            f"mean overlap@{OVERLAP_AT} with the current version's lists",
            overlap(version, last),
            limits.min_overlap,
            "RIYL_QUALITY_MIN_OVERLAP",
        ),
    ]
    if ndcg is not None:
        least = (1 - limits.max_drop) * ndcg(last)
        least = least if np.isfinite(least) else 0.0
        checks.append(_at_least("nDCG@200 on the truth", ndcg(version), least, "RIYL_QUALITY_MAX_DROP"))
    return Report((*report.checks, *checks))


def overlap(version: Version, other: Version, *, sample: int = SAMPLE, seed: int = SEED) -> float:
    """Compute the mean overlap@50 of the ready lists of artists with an embedding in both versions.

    The overlap of two lists is |both lists| / min(50, the shorter list's length). Artists are matched by id. Of more
    than `sample` artists, a seeded sample is compared; an artist with an empty list is skipped. 0 where no artist has
    an embedding in both, 1 where no artist of the sample has a neighbour.
    """
    positions = pc.index_in(version.artists.column("artist_id"), other.artists.column("artist_id").combine_chunks())
    # (n + 1,) row in other; row -1 is in none
    row_in_other = np.append(pc.fill_null(positions, -1).to_numpy(), np.int32(-1))
    both = np.flatnonzero(version.has_embedding & (row_in_other[:-1] >= 0) & other.has_embedding[row_in_other[:-1]])
    if not len(both):
        return 0.0
    rows = np.sort(np.random.default_rng(seed).permutation(both)[:sample])
    lists, others = version.neighbours[rows, :OVERLAP_AT], other.neighbours[row_in_other[rows], :OVERLAP_AT]
    possible = np.minimum((lists >= 0).sum(axis=1), (others >= 0).sum(axis=1))  # (s,)
    lists = row_in_other[lists][:, :, None]  # (s, 50, 1) rows in other
    shared = ((lists == others[:, None, :]) & (lists >= 0)).sum(axis=(1, 2))  # (s,)
    nonempty = possible > 0
    return float(np.mean(shared[nonempty] / possible[nonempty])) if nonempty.any() else 1.0


def _tables(version: Version, last: Version, least: float) -> list[Check]:
    """Check that each table of the current version still exists and is nearly as large."""
    before, now = last.sizes, version.sizes
    if before is None or now is None:
        silent = last if before is None else version
        wanted = f"any number: version {silent.id} records no table sizes"
        return [Check("tables compared with the current version's", 0, wanted, True)]
    checks = []
    for table, figures in before.items():
        for figure in [name for name in FIGURES if figures.get(name)]:
            count, new_count = figures[figure], now.get(table, {}).get(figure, 0)
            advice = (
                f"{new_count:,}, where version {last.id} had {count:,}: check that the table is complete; "
                "if it is, promote by hand with --force"
            )
            name = f"{FIGURES[figure]} of table {table}, as a share of the current version's"
            checks.append(_at_least(name, new_count / count, least, "RIYL_QUALITY_MIN_TABLE_SHARE", advice))
    return checks


def _at_least(name: str, value: float, least: float, setting: str, advice: str = "") -> Check:
    plain = float(value) if np.isfinite(value) else -1.0  # JSON can hold it, and it passes no check
    return Check(name, plain, f"at least {least:.6g} ({setting})", plain >= least, advice if plain < least else "")
