"""Tables of docs/configs.md: `python scripts/config_tables.py` writes them from the fields of training configs."""

from __future__ import annotations

import re
from pathlib import Path

from riyl.training.config import METHODS
from riyl.training.config_fields import SettingField, fields_of
from riyl.training.config_settings import toml_value

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configs.md"
HEAD = "| setting | values | default | meaning, unit and reason |\n|---|---|---|---|\n"
MARKED = re.compile(r"(<!-- settings of ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def settings_table(method: str) -> str:
    """Return the table of all settings of a method, in Markdown."""
    return HEAD + "".join(map(_row, fields_of(METHODS[method])))


def with_tables(page: str) -> str:
    """Return the page with the tables of the present fields between its marks."""
    return MARKED.sub(lambda mark: mark[1] + settings_table(mark[2]) + mark[3], page)


def _row(field: SettingField) -> str:
    key = ".".join(field.key)
    if field.is_section:
        return f"| section `[{key}]` | | | {field.meaning} |\n"
    kind = "" if field.kind is None else f' (kind "{field.kind}")'
    default = "required" if field.default is None else f"`{toml_value(field.default)}`"
    return f"| `{key}`{kind} | {field.values} | {default} | {field.meaning} |\n"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
