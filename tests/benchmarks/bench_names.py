"""Names as people type them, on real names: artists that share a form at each level, and the index's size and time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from riyl.core.catalog.name_forms import bare, same, spellings
from riyl.core.types import silent
from riyl.index.artifact import name_fields
from riyl.index.artifact.names import NameIndex, write_names
from riyl.index.artifact.version import FORMAT
from riyl.training.datasets.base import build
from riyl.training.datasets.registry import DATASETS
from tests.benchmarks.conftest import SMALL, Report
from tests.sealed_folders import sealed_files

pytestmark = pytest.mark.bench

LEVELS: dict[str, Callable[[str], Sequence[str]]] = {
    "same": lambda name: [same(name)],
    "spellings": spellings,
    "bare": lambda name: bare(spellings(name)),
}
SHOWN = 12


@pytest.fixture(scope="module")
def tables(
    catalog: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """Return the names of each catalog: olga-artists and lastfm-2k; at the small size a made-up one."""
    folders = {catalog.name: catalog}
    if not SMALL:
        folders["lastfm-2k"] = tmp_path_factory.mktemp("lastfm") / "tables"
        archive = request.getfixturevalue("real_data") / "archives" / "hetrec2011-lastfm-2k.zip"
        build(DATASETS["lastfm-2k"], {archive.name: archive}, folders["lastfm-2k"], silent)
    return {
        name: pq.read_table(folder / "artists.parquet", columns=["name"]).column("name").to_pylist()
        for name, folder in folders.items()
    }


def pairs_of(names: Sequence[str], forms: Callable[[str], Sequence[str]]) -> set[tuple[int, int]]:
    """Return the pairs of artists that share a form."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        for form in forms(name):
            rows[form].append(row)
    return {pair for group in rows.values() for pair in combinations(group, 2)}


def test_artists_that_share_a_form(tables: dict[str, list[str]], report: Report) -> None:
    for catalog, names in tables.items():
        earlier: set[tuple[int, int]] = set()
        for level, forms in LEVELS.items():
            pairs = pairs_of(names, forms)
            artists = len({row for pair in pairs for row in pair})
            report(
                f"{catalog}, {len(names):,} artists, {level}: {artists} share a form with another, {len(pairs)} pairs",
                **{f"{catalog}_{level}_artists": artists, f"{catalog}_{level}_pairs": len(pairs)},
            )
            for first, second in sorted(pairs - earlier)[:SHOWN]:
                report(f"    {names[first]!r} {names[second]!r}")
            earlier = pairs


def test_the_index_of_names(
    tables: dict[str, list[str]], report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [[name] for catalog in tables.values() for name in catalog]
    order = np.arange(len(names), dtype=np.int32)
    for what in ("with", "without", "with", "without", "with", "without"):
        folder = tmp_path / f"{what}-{time.monotonic_ns()}"
        with monkeypatch.context() as patch:
            if what == "without":
                patch.setattr(name_fields, "spellings", lambda name: [])
            start = time.process_time()
            write_names(folder, names, order)
        seconds, size = time.process_time() - start, sum(path.stat().st_size for path in folder.iterdir())
        report(
            f"{len(names):,} names {what} spellings: {size / 1e6:.2f} MB, {seconds:.2f} s of CPU",
            **{f"{what}_bytes": size, f"{what}_s": seconds},
        )
        if what == "with":
            index = NameIndex.open(sealed_files(tmp_path).in_folder(folder.name), order, FORMAT)
    typed = [f"the {name.lower()}" for (name,) in names[:: max(1, len(names) // 1000)]]
    start = time.process_time()
    hits = sum(bool(index.named(name)) for name in typed)
    each = (time.process_time() - start) / len(typed)
    report(
        f"{len(typed)} names resolved at the last level: {hits} found, {1e6 * each:.0f} us of CPU each", resolve_s=each
    )
