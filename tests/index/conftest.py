"""Fixtures of the index tests: the small world with searchable names, a model of it, and its version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import riyl.index.scoring.hubness
from riyl.core.catalog.tables import Tables
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version
from riyl.training.config import CcaConfig, ContrastiveConfig, ScoringConfig, load_config
from riyl.training.features.build import build_snapshot
from riyl.training.train import train
from tests.conftest import SMALL_RECIPE, small_world

NAMES = {
    0: "Björk",
    1: "Radiohead",
    2: "AC/DC",
    3: "Sigur Rós",
    4: "Guns N' Roses",
    5: "Aurora",
    6: "AURORA",
    7: "Auróra",
    8: "!!!",
    9: "The Beatles",
    10: "أم كلثوم",
    11: "MØ",
    17: "[/red] herring [bold]",
    59: "Nobody Knows",
}
ALIASES = {1: ["On a Friday", None], 10: ["Umm Kulthum"], 12: ["Björk Tribute"]}
CORRECTED = CcaConfig(
    method="cca",
    norm_shrinkage={"tags": 1.0},
    modality_specific_weight={"tags": 1.0},
    scoring=ScoringConfig(hubness=0.5, neighbours=12, calibration=0.7, tail=0.1),
)


@pytest.fixture(autouse=True, scope="session")
def _lists_of_any_share() -> Iterator[None]:
    """Fit biases for lists of the lengths of the settings, although the catalogs of the tests are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(riyl.index.scoring.hubness, "MAX_SHARE", 1.0)
        yield


BALANCED = CORRECTED.model_copy(
    update={
        "scoring": ScoringConfig(
            hubness=0.2,
            popularity=0.02,
            neighbours=12,
            calibration=0.7,
            tail=0.1,
            balanced={10: 0.25, 60: 0.5},
            target_exponent=0.3,
        )
    }
)
MBID = "a74b1b7f-71a5-4011-9441-d0b5e4122711"


def write_world(folder: Path) -> Path:
    """Write the small world with NAMES, aliases, an mbid of artist 1, and the attributes country and year."""
    small_world(folder)
    artists = pq.read_table(folder / "artists.parquet")
    names = [NAMES.get(i, name) for i, name in enumerate(artists.column("name").to_pylist())]
    n = len(names)
    table = pa.table(
        {
            "artist_id": artists.column("artist_id"),
            "name": names,
            "mbid": [MBID.upper() if i == 1 else None for i in range(n)],
            "aliases": pa.array([ALIASES.get(i) for i in range(n)], pa.list_(pa.string())),
            "country": ["GB" if i == 1 else None for i in range(n)],
            "year": [1985 + i for i in range(n)],
        }
    )
    pq.write_table(table, folder / "artists.parquet")
    return folder


@pytest.fixture(scope="session")
def named_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    home = tmp_path_factory.mktemp("named")
    return build_snapshot(Tables.open(write_world(home / "tables")), SMALL_RECIPE, home / "snapshots")


@pytest.fixture(scope="session")
def named_model(named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return train(*load_config("pca"), named_snapshot, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def models(named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """Train a model for each kind of input, by config: sets of factors, weighted terms, vectors, and one modality."""
    trained = {}
    for name in ("paper-msd", "default", "pca", "single-tags"):
        _, config = load_config(name)
        if isinstance(config, ContrastiveConfig):
            config = config.model_copy(update={"max_epochs": 2})
        trained[name] = train(name, config, named_snapshot, tmp_path_factory.mktemp("models"), threads=1)
    return trained


@pytest.fixture(scope="session")
def version(named_snapshot: Snapshot, named_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Build a version that no test may change; copy it first."""
    return build_version(named_model, named_snapshot, tmp_path_factory.mktemp("versions"))


@pytest.fixture(scope="session")
def corrected(named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Build a version with hubness correction and calibration; no test may change it."""
    model = train("corrected", CORRECTED, named_snapshot, tmp_path_factory.mktemp("corrected-models"))
    return build_version(model, named_snapshot, tmp_path_factory.mktemp("corrected-versions"))


@pytest.fixture(scope="session")
def balanced(named_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Build a version with biases balanced at two depths; no test may change it."""
    model = train("balanced", BALANCED, named_snapshot, tmp_path_factory.mktemp("balanced-models"))
    return build_version(model, named_snapshot, tmp_path_factory.mktemp("balanced-versions"))


CROWD = 400


@pytest.fixture(scope="session")
def crowd_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Build a snapshot of the small world with more artists."""
    home = tmp_path_factory.mktemp("crowd")
    return build_snapshot(Tables.open(small_world(home / "tables", n=CROWD)), SMALL_RECIPE, home / "snapshots")


@pytest.fixture(scope="session")
def crowd(crowd_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Build its version with the config `default`; no test may change it."""
    home = tmp_path_factory.mktemp("crowd-made")
    return build_version(
        train(*load_config("default"), crowd_snapshot, home / "models"), crowd_snapshot, home / "versions"
    )
