from __future__ import annotations

import pytest

from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.index.encoding.cold_start import ColdEncoder


@pytest.fixture(scope="module")
def encoders(models: dict[str, Model], named_snapshot: Snapshot) -> dict[str, ColdEncoder]:
    return {name: ColdEncoder.open(model, named_snapshot) for name, model in models.items()}
