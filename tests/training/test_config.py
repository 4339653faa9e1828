"""Configs are loaded by name, with the settings that they always had, and files only by a path that ends in .toml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import ValidationError

from riyl.app.commands.jobs import parse
from riyl.app.jobs.types import JobKind, TrainParams
from riyl.core.errors import ConfigError
from riyl.core.files import content_id
from riyl.training.config import METHODS, Config, MlpSpec, SetSpec, load_config, resolve_config
from riyl.training.config_files import config_names

IDS = {
    "cca": "d33a86627d1981f6",
    "default": "cf7449131350d87d",
    "paper-msd": "85bf9a42b163e98f",
    "paper-own": "45a67e0b84fecb52",
    "pca": "c922c5cf85df264e",
    "pca-raw": "d79302ef94f41d1d",
    "random-projection": "32cb20eb3153ddd4",
    "random-projection-raw": "67189c9c2356cad6",
    "single-audio": "36e9317063a27eaa",
}
"""Hashes of the settings at commit cb37b88, before configs had bases. A model's id is a hash of its settings too."""


def id_of(config: Config) -> str:
    return content_id("config", config.model_dump(mode="json"))


@pytest.mark.parametrize("name", ["../configs/default", "/etc/hosts", "..", "", "x/../default"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ConfigError, match="found no config"):
        load_config(name)


def test_every_config_is_found_by_its_name() -> None:
    for name in config_names():
        assert load_config(name)[0] == name


@pytest.mark.parametrize("name", [*config_names(), "single-audio"])
def test_a_config_keeps_its_settings_and_so_its_models_keep_their_ids(name: str) -> None:
    assert id_of(load_config(name)[1]) == IDS[name]


def test_settings_without_effect_make_no_other_model() -> None:
    _, config = load_config("cca", ["scoring.sweeps=5", "scoring.target_exponent=0.2"])
    assert id_of(config) == IDS["cca"]
    assert id_of(load_config("cca", ["scoring.balanced.25=0.5"])[1]) != IDS["cca"]


def test_every_method_has_settings_under_its_name() -> None:
    assert {load_config(name)[1].method for name in [*config_names(), "single-x"]} == set(METHODS)
    assert all(kind.model_fields["method"].annotation == Literal[name] for name, kind in METHODS.items())  # type: ignore[valid-type]


@pytest.mark.parametrize("config", ["../../x/credentials", "../../x/credentials.toml", "/etc/x.toml", "x\\y", "a.toml"])
def test_a_job_takes_a_config_by_name_alone(config: str) -> None:
    with pytest.raises(ValidationError):
        TrainParams(config=config)
    assert TrainParams(config="single-audio").config == "single-audio"


def test_a_job_takes_one_relation_or_several_with_weights() -> None:
    assert TrainParams().relations == []
    assert TrainParams(supervision="similar").relations == [("similar", 1.0)]
    assert TrainParams(supervision=["similar", "editorial=0.3"]).relations == [("similar", 1.0), ("editorial", 0.3)]
    parsed = parse(JobKind.TRAIN, ["supervision=similar=2,editorial"])
    assert isinstance(parsed, TrainParams)
    assert parsed.relations == [("similar", 2.0), ("editorial", 1.0)]


@pytest.mark.parametrize("supervision", ["", "a=0", ["a=nan"], ["a", "a=2"], [], ["a"] * 21])
def test_a_job_with_a_wrong_relation_is_refused(supervision: str | list[str]) -> None:
    with pytest.raises(ValidationError, match="supervision"):
        TrainParams(supervision=supervision)


def test_a_file_inherits_the_settings_of_its_base_and_sections_are_merged_by_key(tmp_path: Path) -> None:
    (tmp_path / "warm.toml").write_text("base = 'paper-msd'\ntemperature = 0.2\n[encoders.cf]\nhidden = [64]\n")
    name, config = load_config(str(tmp_path / "warm.toml"))
    _, base = load_config("paper-msd")
    assert name == "warm"
    assert config.model_dump() == {
        **base.model_dump(),
        "temperature": 0.2,
        "encoders": {**base.model_dump()["encoders"], "cf": {"kind": "mlp", "hidden": (64,)}},
    }


def test_a_base_that_changes_nothing_gives_the_settings_of_the_base(tmp_path: Path) -> None:
    (tmp_path / "same.toml").write_text("base = 'default'\n")
    assert id_of(load_config(str(tmp_path / "same.toml"))[1]) == IDS["default"]


def test_overrides_take_precedence_and_the_name_tells_those_that_change_something() -> None:
    resolved = resolve_config("default", ["scoring.hubness=0.3", "dim=128", "ridge=0.5"])
    assert resolved.name == "default+dim=128+scoring.hubness=0.3"
    _, base = load_config("default")
    assert resolved.config.model_dump() == {
        **base.model_dump(),
        "dim": 128,
        "scoring": {**base.model_dump()["scoring"], "hubness": 0.3},
    }


@pytest.mark.parametrize(
    ("config", "override", "name"),
    [
        ("paper-msd", "temperature=0.1", "paper-msd"),
        ("paper-msd", "temperature=0.20", "paper-msd+temperature=0.2"),
        ("paper-msd", "symmetric=true", "paper-msd+symmetric=true"),
        ("paper-msd", "stop_by=loss", "paper-msd+stop_by=loss"),
        ("paper-msd", "encoders.audio.hidden=[128, 64]", "paper-msd+encoders.audio.hidden=128-64"),
        ("paper-msd", "encoders.tags.kind=mlp", "paper-msd+encoders.tags.kind=mlp"),
        ("cca", "scoring.balanced={200=0.5, 25=1}", "cca+scoring.balanced.200=0.5+scoring.balanced.25=1.0"),
        ("cca", "scoring.sweeps=5", "cca"),
        ("default", "scoring={hubness=0.25, popularity=0.006}", "default+scoring.hubness=0.25"),
    ],
)
def test_the_name_of_a_variant_is_the_same_however_a_value_is_written(config: str, override: str, name: str) -> None:
    assert resolve_config(config, [override]).name == name


def test_a_section_of_another_kind_replaces_the_one_of_the_base() -> None:
    _, config = load_config("paper-msd", ["encoders.audio.kind=set", "encoders.audio.heads=2"])
    assert config.model_dump()["encoders"]["audio"] == SetSpec(heads=2).model_dump()
    assert config.model_dump()["encoders"]["cf"] == MlpSpec(hidden=(256,)).model_dump()


def test_the_modality_of_a_single_config_is_named_and_not_set() -> None:
    with pytest.raises(ConfigError, match="found 'modality=tags' with the config single-audio; wanted none"):
        load_config("single-audio", ["modality=tags"])
