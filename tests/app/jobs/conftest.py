from __future__ import annotations

from pathlib import Path

import pytest

from riyl.app.jobs.steps import Steps
from tests.app.jobs.reindex import made_steps


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    """Make steps over a home with a model of the small world; RIYL_TABLES is that world's tables."""
    return made_steps(tmp_path, "pca")
