"""Whether docs/configs.md lists the settings of every method as the code has them."""

from __future__ import annotations

import re

import pytest

from riyl.training.config import METHODS
from riyl.training.config_files import config_names
from scripts.config_tables import PAGE, settings_table, with_tables

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_code() -> None:
    assert with_tables(TEXT) == TEXT, "run: python scripts/config_tables.py"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_table_with_its_settings(method: str) -> None:
    (table,) = re.findall(rf"<!-- settings of {method} -->\n(.*?)<!-- end -->", TEXT, re.DOTALL)
    names = set(METHODS[method].model_fields) - {"method"}
    assert {re.match(r"\| (?:section `\[|`)(\w+)", line)[1] for line in table.splitlines()[2:]} == names  # type: ignore[index]


def test_a_row_has_range_default_and_meaning() -> None:
    rows = settings_table("contrastive").splitlines()
    assert (
        "| `temperature` | number, above 0 | `0.1` | Temperature: the loss divides cosines by it. The default is the "
        "paper's. |"
    ) in rows
    assert any(
        row.startswith('| `encoders.MODALITY.heads` (kind "set") | whole number, at least 1 | `4` |') for row in rows
    )
    assert any(row.startswith("| section `[encoders]` | | | Encoder of each modality") for row in rows)


def test_every_config_is_on_the_page() -> None:
    assert [name for name in config_names() if f"`{name}`" not in TEXT] == []
