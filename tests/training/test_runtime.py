from __future__ import annotations

import shutil
from pathlib import Path

from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from tests.guard import Guard
from tests.index.conftest import named_model, named_snapshot  # noqa: F401


def test_embedding_leaves_nothing_in_the_users_home_and_looks_up_no_name(
    named_model: Model,  # noqa: F811
    named_snapshot: Snapshot,  # noqa: F811
    tmp_path: Path,
) -> None:
    home, guard = tmp_path / "riyl-home", Guard(tmp_path)
    shutil.copytree(named_model.folder, home / "models" / named_model.id)
    shutil.copytree(named_snapshot.folder, home / "snapshots" / named_snapshot.id)
    assert "artists embedded" in guard.riyl("index", "build", ORT_DISABLE_TELEMETRY="0")
    assert guard.written == set()
    assert guard.hosts == set()
