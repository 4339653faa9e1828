"""Settings of a config, each with its source and meaning, and as TOML that can be loaded again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from riyl.training.config import METHODS, ResolvedConfig
from riyl.training.config_fields import SettingField, field_of, fields_of
from riyl.training.config_files import KIND, METHOD, Key, Table, first_sentence, leaves, source_of
from riyl.training.config_sections import EVERY_SETTING

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SMALL = 1e-3
"""Magnitude below which a number is written with an exponent."""


@dataclass(frozen=True)
class Setting:
    """Setting of a config.

    Attributes:
        key: path of the setting; a section without settings has the value {}.
        value: its value, as JSON.
        source: name of the config, path of the file, or "--set", that gives the value; None if it is the default.
        default: value without any source, as JSON; None if there is none.
        meaning: meaning, unit and reason of the default, on one line.
    """

    key: Key
    value: Any
    source: str | None
    default: Any
    meaning: str

    def as_dict(self) -> dict[str, Any]:
        """Return the setting as JSON, with its key joined by dots."""
        return {
            "key": ".".join(self.key),
            "value": self.value,
            "source": self.source,
            "default": self.default,
            "meaning": self.meaning,
        }


def settings_of(resolved: ResolvedConfig) -> list[Setting]:
    """List all settings of a config, in the order of the fields of its method."""
    table, fields = _table(resolved), fields_of(type(resolved.config))
    settings = []
    for key, value in leaves(table):
        field = _field(fields, key, table)
        source = source_of(resolved.layers, key)
        default = None if field is None else {} if field.is_section else field.default
        meaning = first_sentence(_about_method(resolved)) if field is None else field.meaning
        settings.append(Setting(key, value, source, default, meaning))
    return settings


def config_toml(resolved: ResolvedConfig) -> str:
    """Write a config as TOML, which loads as the same config; comments hold meanings and sources."""
    table, fields = _table(resolved), fields_of(type(resolved.config))
    settings = {setting.key: setting for setting in settings_of(resolved)}
    sections = {field.key: field.meaning for field in fields if field.is_section}

    def describe(key: Key) -> tuple[str, str]:
        setting = settings.get(key)
        meaning = sections.get(key, "") if setting is None else setting.meaning
        if sections.get(key[:-1]) == meaning:
            meaning = ""  # a setting by modality, whose section has the same description
        return first_sentence(meaning), "" if setting is None else _origin(setting)

    sources = [layer.source for layer in resolved.layers]
    decides = f", from {', '.join(sources)}: the first that has a setting decides" if len(sources) > 1 else ""
    return f"# {resolved.name}{decides}\n{to_toml(table, describe)}"


def to_toml(table: Table, describe: Callable[[Key], tuple[str, str]] = lambda key: ("", "")) -> str:
    """Write nested settings as TOML.

    Args:
        table: settings of texts, numbers, truth values, lists of these, and tables.
        describe: returns the comments of a key: on a line of its own above, and at the end of its line; empty for none.
    """
    return "\n".join(_lines(table, (), describe)) + "\n"


def toml_value(value: object) -> str:
    """Write a text, number, truth value or list as TOML.

    Raises:
        TypeError: it is something else.
    """
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return f"{Decimal(repr(value)).normalize():e}" if 0 < abs(value) < _SMALL else repr(value)
        case str():
            # JSON escapes all that TOML does, but for one control character
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
    raise TypeError(f"found {value!r}; wanted a text, number, truth value or list")


def _table(resolved: ResolvedConfig) -> dict[str, Any]:
    return resolved.config.model_dump(mode="json", context=EVERY_SETTING)


def _about_method(resolved: ResolvedConfig) -> str:
    return " ".join((METHODS[resolved.config.method].__doc__ or "").split())


def _field(fields: list[SettingField], key: Key, table: Table) -> SettingField | None:
    """Return the field of a key of `table`; None for the method."""
    if key == (METHOD,):
        return None
    section: Any = table
    for part in key[:-1]:
        section = section[part]
    return field_of(fields, key, section.get(KIND))


def _origin(setting: Setting) -> str:
    if setting.source is None:
        return "method default"
    if setting.default is None or setting.default == setting.value:
        return f"set by {setting.source}"
    return f"set by {setting.source}; method default {_short(setting.default)}"


def _short(value: object) -> str:
    return "none" if value == {} else toml_value(value)


def _lines(table: Table, above: Key, describe: Callable[[Key], tuple[str, str]]) -> list[str]:
    values = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    sections = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    lines = []
    for name, value in values.items():
        meaning, origin = describe((*above, name))
        lines += [f"# {meaning}"] if meaning else []
        lines.append(f"{_key(name)} = {toml_value(value)}{f'  # {origin}' if origin else ''}")
    for name, section in sections.items():
        key = (*above, name)
        meaning, origin = describe(key)
        lines += ["", *([f"# {meaning}"] if meaning else [])]
        if not section or not all(isinstance(value, Mapping) for value in section.values()):
            lines.append(f"[{'.'.join(map(_key, key))}]{f'  # {origin}' if origin else ''}")
        lines += _lines(section, key, describe)
    return lines


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)
