"""Configs are loaded by name, and files only by a path that ends in .toml."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from riyl.app.jobs.types import TrainParams
from riyl.training.config import ConfigError, config_names, load_config


@pytest.mark.parametrize("name", ["../configs/default", "/etc/hosts", "..", "", "x/../default"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ConfigError, match="found no config"):
        load_config(name)


def test_every_config_is_found_by_its_name() -> None:
    for name in config_names():
        assert load_config(name)[0] == name


@pytest.mark.parametrize("config", ["../../x/credentials", "../../x/credentials.toml", "/etc/x.toml", "x\\y", "a.toml"])
def test_a_job_takes_a_config_by_name_alone(config: str) -> None:
    with pytest.raises(ValidationError):
        TrainParams(config=config)
    assert TrainParams(config="single-audio").config == "single-audio"
