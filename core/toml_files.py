"""TOML files, read with clear errors."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from riyl.core.errors import ConfigError

Parsed = TypeVar("Parsed", bound=BaseModel)


def read_toml(path: Path, kind: type[Parsed], *, renamed: Mapping[str, str] | None = None) -> Parsed:
    """Read a TOML file into a validated model; missing fields take their defaults.

    Args:
        path: the file.
        kind: the model.
        renamed: names of earlier releases, each with its present name, for the error message about one.

    Raises:
        ConfigError: the file is missing or not TOML, or has an unknown name or an invalid value; the message names
            file, field, value found and value wanted.
    """
    try:
        return kind.model_validate(load_toml(path))
    except ValidationError as error:
        names = renamed or {}
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: found a name of an earlier release; wanted {names[str(e['loc'][-1])]}"
            if e["type"] == "extra_forbidden" and str(e["loc"][-1]) in names
            else f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})"
            for e in error.errors()
        )
        raise ConfigError(f"{path}: {wrong}") from error


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: the file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: found no such file; wanted a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
