"""Tests of `riyl config`."""

from __future__ import annotations

from pathlib import Path

import pytest

from riyl.core.errors import ConfigError
from riyl.training.config import load_config
from riyl.training.config_files import config_names
from tests.app.conftest import as_json, riyl


def test_the_configs_are_listed_with_method_and_bases(tmp_path: Path) -> None:
    listed = {config["name"]: config for config in as_json(tmp_path, "config", "list")}
    assert list(listed) == config_names()
    assert (listed["paper-own"]["method"], listed["paper-own"]["bases"]) == ("contrastive", ["paper-msd"])
    assert listed["pca"] == {
        "name": "pca",
        "method": "pca",
        "bases": [],
        "summary": "Baseline: PCA of the concatenated modalities, each scaled to unit length.",
    }
    printed = riyl(tmp_path, "config", "list").stdout
    assert all(name in printed for name in listed)
    assert "single-MODALITY" in printed


def test_a_shown_config_can_be_saved_and_shown_again(tmp_path: Path) -> None:
    arguments = ("config", "show", "paper-msd", "--set", "temperature=0.2", "--set", "encoders.cf.hidden=[64]")
    (tmp_path / "mine.toml").write_text(riyl(tmp_path, *arguments).stdout)
    shown, again = as_json(tmp_path, *arguments), as_json(tmp_path, "config", "show", str(tmp_path / "mine.toml"))
    assert shown["name"] == "paper-msd+encoders.cf.hidden=64+temperature=0.2"
    assert shown["sources"] == ["--set", "paper-msd"]
    assert again["name"] == "mine"
    assert shown["config"] == again["config"]
    assert load_config(str(tmp_path / "mine.toml"))[1].model_dump(mode="json") == shown["config"]


def test_a_program_gets_every_setting_with_its_source(tmp_path: Path) -> None:
    settings = as_json(tmp_path, "config", "show", "pca", "--set", "dim=64")["settings"]
    assert [(s["key"], s["value"], s["source"], s["default"]) for s in settings] == [
        ("method", "pca", "pca", None),
        ("dim", 64, "--set", 200),
        ("unit_rows", True, None, True),
    ]
    assert settings[2]["meaning"].startswith("Whether each modality's vectors are first scaled to unit length. On")


def test_a_wrong_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--set: dimm: found an unknown setting with the value 3; wanted dim, the"):
        riyl(tmp_path, "config", "show", "pca", "--set", "dimm=3")
