"""Config files before validation: TOML tables, the chain of their bases, and settings given one by one (`--set`)."""

from __future__ import annotations

import difflib
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from riyl.core.errors import ConfigError
from riyl.core.toml_files import load_toml

Table: TypeAlias = Mapping[str, Any]
"""Settings by name; a section is a table of its own."""

Key: TypeAlias = tuple[str, ...]
"""Path of a setting through the sections, such as ("scoring", "hubness")."""

SINGLE = "single-"
"""Prefix of the names of the one-modality baselines."""

METHOD = "method"
BASE = "base"
"""Key of a config file that names the config whose settings it inherits."""

KIND = "kind"
"""Key that decides which other keys a section has."""

SET = "--set"
"""Source of the settings that are given one by one."""

_BARE_WORD = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Layer:
    """Settings from one source.

    Attributes:
        source: name of a config that comes with RIYL, path of a file, or `SET`.
        settings: nested settings, without `BASE`.
    """

    source: str
    settings: Table


@dataclass(frozen=True)
class _Location:
    """Config that a name or a path leads to; `path` is None for `SINGLE` configs, which have no file."""

    source: str
    path: Path | None


def config_names() -> list[str]:
    """List the names of the configs that come with RIYL."""
    return sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml"))


def read_layers(name: str) -> tuple[str, list[Layer]]:
    """Read a config and its bases, by the config's name or the path of its file; "single-M" is modality M alone.

    Returns:
        The config's name (of a file: its stem), and its layers: its own first, each before its base.

    Raises:
        ConfigError: there is no such config; a file is not TOML; a base is unknown, of another method or leads back to
            the config.
    """
    location = _locate(name)
    if location is None:
        raise ConfigError(
            f"found no config {name!r}; wanted {', '.join(config_names())}, {SINGLE}MODALITY, or a .toml file"
            f"{_nearest(name)}"
        )
    stem = name if location.path is None else location.path.stem
    layers: list[Layer] = []
    visited: list[_Location] = []
    while location is not None:
        visited.append(location)
        table = _read(location)
        base = table.pop(BASE, None)
        layers.append(Layer(location.source, table))
        location = None if base is None else _base(visited, base)
    _check_methods(layers)
    return stem, layers


def parse_overrides(assignments: Sequence[str]) -> Layer:
    """Parse settings of the form KEY=VALUE; keys of sections are joined by dots, such as scoring.hubness=0.3.

    A value is a TOML value; a bare word is a string.

    Raises:
        ConfigError: a text is malformed, a key is given twice, or a key is not allowed here.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or not name:
            raise ConfigError(f"{SET}: found {assignment!r}; wanted KEY=VALUE, such as temperature=0.2")
        keys = _parse_key(name)
        if keys[0] == METHOD:
            raise ConfigError(
                f"{SET} {METHOD}: found {text!r}; wanted no method, because the other settings of a config are those "
                f"of its method: name a config of that method (riyl config list)"
            )
        if keys[0] == BASE:
            raise ConfigError(
                f"{SET} {BASE}: found {text!r}; wanted no base, because only a config file has one: name the config "
                "itself"
            )
        _insert(settings, keys, _parse_value(name, text))
    return Layer(SET, settings)


def merged(layers: Sequence[Layer]) -> Table:
    """Merge layers, of which each takes precedence over those after it; sections are merged by key.

    A section of another kind replaces the one of the base, because its keys are others.
    """
    table: Table = {}
    for layer in reversed(layers):
        table = _merge(table, layer.settings)
    return table


def leaves(table: Table, above: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yield the path and the value of each setting that is not a section; an empty section counts as a value."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def source_of(layers: Sequence[Layer], key: Key) -> str | None:
    """Return the source that decides a setting, or a setting below this section; None if it is a default."""
    return next(
        (layer.source for layer in layers for leaf, _ in leaves(layer.settings) if leaf[: len(key)] == key), None
    )


def summary_of(name: str) -> str:
    """Return the first sentence of the comment at the head of a config that comes with RIYL."""
    lines = (_folder() / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    head = " ".join(line.removeprefix("#").strip() for line in _leading_comment(lines))
    return first_sentence(head)


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, with its full stop."""
    match = re.match(r"(.*?\.)(?=\s+[A-Z`]|\s*$)", text, re.DOTALL)
    return text if match is None else match[1]


def _leading_comment(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("#"):
            return
        yield line


def _read(location: _Location) -> dict[str, Any]:
    if location.path is None:
        return {METHOD: "single", "modality": location.source.removeprefix(SINGLE)}
    return load_toml(location.path)


def _locate(name: str, folder: Path | None = None) -> _Location | None:
    """Return the location of a config; None if there is none.

    Args:
        name: name of a config that comes with RIYL, or a path that ends in .toml.
        folder: folder that a relative path starts from.
    """
    if name.startswith(SINGLE):
        return _Location(name, None)
    if name.endswith(".toml"):
        path = Path(name) if folder is None else folder / name
        return _Location(str(path), path) if path.is_file() else None
    if name not in config_names():
        return None
    with resources.as_file(_folder()) as packaged:
        return _Location(name, packaged / f"{name}.toml")


def _base(visited: Sequence[_Location], base: object) -> _Location:
    """Return the location of the base that the last visited config names.

    Raises:
        ConfigError: there is no such config, or it was visited before.
    """
    source, path = visited[-1].source, visited[-1].path
    location = _locate(base, None if path is None else path.parent) if isinstance(base, str) else None
    if location is None:
        raise ConfigError(
            f"{source}: {BASE}: found {base!r}; wanted {', '.join(config_names())}, {SINGLE}MODALITY, or an existing "
            f".toml file, relative to this file{_nearest(base)}"
        )
    if location.path is not None and any(
        each.path is not None and each.path.resolve() == location.path.resolve() for each in visited
    ):
        chain = " -> ".join([each.source for each in visited] + [location.source])
        raise ConfigError(f"{source}: {BASE}: found the cycle {chain}; wanted a chain of bases that ends")
    return location


def _check_methods(layers: Sequence[Layer]) -> None:
    """Check that no config has another method than its bases."""
    stated = [layer for layer in layers if METHOD in layer.settings]
    for layer, base in itertools.pairwise(stated):
        if layer.settings[METHOD] != base.settings[METHOD]:
            raise ConfigError(
                f"{layer.source}: {METHOD}: found {layer.settings[METHOD]!r}, while its base {base.source} has "
                f"{base.settings[METHOD]!r}; wanted the same method, because the settings of a config are those of its "
                "method: omit the method, or name a base of it"
            )


def _nearest(name: object) -> str:
    near = difflib.get_close_matches(str(name), config_names(), 1)
    return f"; the nearest name is {near[0]}" if near else ""


def _parse_key(name: str) -> Key:
    """Parse a dotted key."""
    try:
        node: Any = tomllib.loads(f"{name} = 0") if name.isprintable() else {}
    except tomllib.TOMLDecodeError:
        node = {}
    keys: list[str] = []
    while isinstance(node, dict) and len(node) == 1:
        [(key, node)] = node.items()
        keys.append(key)
    if not keys or isinstance(node, dict):
        raise ConfigError(f"{SET}: found the key {name!r}; wanted names joined by dots, such as scoring.hubness")
    return tuple(keys)


def _parse_value(name: str, text: str) -> Any:
    """Parse a TOML value, or a bare word as a string."""
    try:
        table = tomllib.loads(f"value = {text}") if text.isprintable() else {}
    except tomllib.TOMLDecodeError:
        if _BARE_WORD.fullmatch(text):
            return text
        table = {}
    if table.keys() != {"value"}:
        raise ConfigError(f"{SET} {name}: found {text!r}; wanted a TOML value, such as 0.2, true, [512, 256] or a word")
    return table["value"]


def _insert(settings: dict[str, Any], keys: Key, value: object) -> None:
    table = settings
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            break
    if not isinstance(table, dict) or keys[-1] in table:
        raise ConfigError(f"{SET} {'.'.join(keys)}: found a second value {value!r}; wanted each setting once")
    table[keys[-1]] = value


def _merge(base: Table, over: Table) -> Table:
    if isinstance(base.get(KIND), str) and over.get(KIND, base[KIND]) != base[KIND]:
        return over
    both = dict(base)
    for name, value in over.items():
        below = both.get(name)
        both[name] = _merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both


def _folder() -> resources.abc.Traversable:
    return resources.files("riyl.training.configs")
