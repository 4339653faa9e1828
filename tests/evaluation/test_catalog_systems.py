"""Models of another catalog over the artists of a study: those of the model in its catalog, row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riyl.core.catalog.tables import Tables
from riyl.core.errors import MismatchError
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.evaluation.catalog_systems import joined_parts, joined_system
from riyl.evaluation.catalogs import ArtistJoin, JoinedCatalog
from riyl.evaluation.systems import fuse, model_parts, model_system
from riyl.training.features.build import build_snapshot
from tests.conftest import SMALL_RECIPE, small_world
from tests.index.conftest import models, named_model, named_snapshot  # noqa: F401


def joined(snapshot: Snapshot, rows: list[int]) -> JoinedCatalog:
    return JoinedCatalog("own", snapshot, ArtistJoin(np.array(rows, np.int32), "map.csv"))


def rows_of(snapshot: Snapshot) -> list[int]:
    """Return counterparts of a study: every second artist, turned around, with strangers in between."""
    return [each for row in range(snapshot.n_artists - 1, 0, -2) for each in (row, -1)]


def test_parts_are_those_of_the_counterparts(models: dict[str, Model], named_snapshot: Snapshot) -> None:  # noqa: F811
    rows = rows_of(named_snapshot)
    for model in models.values():
        actual, whole = joined_parts(model, joined(named_snapshot, rows)), model_parts(model, named_snapshot)
        assert set(actual) == set(whole)
        for name, part in whole.items():
            expected = [part[row] if row >= 0 else np.zeros(model.dim) for row in rows]
            np.testing.assert_allclose(actual[name], expected, rtol=0, atol=1e-5)
            assert actual[name].dtype == np.float32


def test_artists_that_the_catalog_lacks_are_not_covered(named_model: Model, named_snapshot: Snapshot) -> None:  # noqa: F811
    rows = rows_of(named_snapshot)
    catalog = joined(named_snapshot, rows)
    system = joined_system("own/pca", named_model, catalog, joined_parts(named_model, catalog))
    _, covered = fuse(model_parts(named_model, named_snapshot))
    assert system.name == "own/pca"
    assert system.covered.tolist() == [row >= 0 and bool(covered[row]) for row in rows]
    assert not system.queries[~system.covered, : named_model.dim].any()


def test_corrections_are_those_of_the_catalog_among_the_joined_artists(
    models: dict[str, Model],  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
) -> None:
    model = models["default"]
    rows = [row for row in rows_of(named_snapshot) if row >= 0]
    catalog = joined(named_snapshot, rows)
    system = joined_system("own/default", model, catalog, joined_parts(model, catalog))
    whole = model_system("default", model, named_snapshot, model_parts(model, named_snapshot))
    assert min(model.scoring.hubness, model.scoring.popularity, model.scoring.calibration) > 0
    assert whole.restricted is not None
    able = np.array([row for row in rows if whole.covered[row]], np.int32)
    queries, candidates = whole.restricted(able)
    covered = np.flatnonzero(system.covered)
    np.testing.assert_allclose(
        system.queries[covered] @ system.candidates[covered].T, queries @ candidates.T, rtol=0, atol=1e-5
    )
    # and among the whole catalog, hubness is another one
    assert not np.allclose(queries @ candidates.T, whole.queries[able] @ whole.candidates[able].T, atol=1e-3)


def test_a_model_of_another_featurizer_is_refused(named_model: Model, tmp_path: Path) -> None:  # noqa: F811
    stranger = build_snapshot(Tables.open(small_world(tmp_path / "t", seed=3)), SMALL_RECIPE, tmp_path / "s")
    with pytest.raises(MismatchError):
        joined_parts(named_model, joined(stranger, [0, -1]))
