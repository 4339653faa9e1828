from __future__ import annotations

import re

from core.settings import Settings
from tests.conftest import REPOSITORY


def test_the_operators_manual_names_every_setting_and_no_other() -> None:
    text = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `RIYL_([A-Z_]+)` \|", text, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}
