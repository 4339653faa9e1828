"""Settings of a config with their sources, as data and as TOML that loads as the same config."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from riyl.training.config import METHODS, CcaConfig, load_config, resolve_config
from riyl.training.config_fields import MODALITY, field_of, fields_of
from riyl.training.config_files import config_names
from riyl.training.config_settings import config_toml, settings_of, to_toml, toml_value


@pytest.mark.parametrize("name", [*config_names(), "single-audio"])
def test_a_config_written_as_toml_loads_as_the_same_config(name: str, tmp_path: Path) -> None:
    (tmp_path / "copy.toml").write_text(config_toml(resolve_config(name)))
    assert load_config(str(tmp_path / "copy.toml")) == ("copy", load_config(name)[1])


def test_every_setting_has_its_value_its_source_and_its_default(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("base = 'default'\nridge = 0.1\n[scoring]\ntail = 0.01\n")
    settings = {".".join(s.key): s for s in settings_of(resolve_config(str(file), ["scoring.hubness=0.3"]))}
    sourced = {
        key: (settings[key].value, settings[key].source, settings[key].default)
        for key in (
            "method",
            "dim",
            "ridge",
            "correlation_exponent",
            "scoring.hubness",
            "scoring.tail",
            "n_fourier_features.audio",
        )
    }
    assert sourced == {
        "method": ("cca", "default", None),
        "dim": (256, None, 256),
        "ridge": (0.1, str(file), 0.3),
        "correlation_exponent": (0.8, "default", 0.5),
        "scoring.hubness": (0.3, "--set", 0.0),
        "scoring.tail": (0.01, str(file), 0.005),
        "n_fourier_features.audio": (200, "default", None),
    }
    assert settings["ridge"].meaning.startswith("Regularisation: multiple of each modality's mean variance")


def test_the_file_says_where_each_value_comes_from() -> None:
    lines = config_toml(resolve_config("paper-own", ["temperature=0.2"])).splitlines()
    assert (
        lines[0]
        == "# paper-own+temperature=0.2, from --set, paper-own, paper-msd: the first that has a setting decides"
    )
    at = lines.index("# Temperature: the loss divides cosines by it.")
    assert lines[at + 1] == "temperature = 0.2  # set by --set; method default 0.1"
    assert "batch_size = 2048  # set by paper-own; method default 128" in lines
    assert "learning_rate = 1e-4  # set by paper-msd" in lines
    assert "symmetric = false  # method default" in lines


def test_a_section_without_settings_is_written(tmp_path: Path) -> None:
    (tmp_path / "bare.toml").write_text("method = 'contrastive'\n")
    text = config_toml(resolve_config(str(tmp_path / "bare.toml")))
    assert "# Encoder of each modality, by name.\n[encoders]  # method default\n" in text
    assert tomllib.loads(text)["encoders"] == {}


def test_depths_are_written_whether_or_not_there_are_any(tmp_path: Path) -> None:
    text = config_toml(resolve_config("cca"))
    assert "\nsweeps = 3  # method default\n" in text
    assert "\n[scoring.balanced]  # method default\n" in text
    resolved = resolve_config("cca", ["scoring.balanced={25=0.25, 200=0.5}"])
    (tmp_path / "copy.toml").write_text(config_toml(resolved))
    config = load_config(str(tmp_path / "copy.toml"))[1]
    assert isinstance(config, CcaConfig)
    assert config == resolved.config
    assert config.scoring.balanced == {25: 0.25, 200: 0.5}
    fields = fields_of(METHODS["cca"])
    of_depth = field_of(fields, ("scoring", "balanced", "25"))
    assert of_depth is not None
    assert (".".join(of_depth.key), of_depth.values) == ("scoring.balanced.DEPTH", "number, at least 0 and at most 4")


@pytest.mark.parametrize(
    "value", [True, False, 0, -3, 0.1, 8.0, 1e-4, 1.5e-7, 1e300, "", 'a "b" \\ \n\x7f ü', [1, 2], [], ["x", "y"]]
)
def test_a_value_reads_back_as_it_was(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}") == {"x": value}


def test_a_value_that_toml_lacks_is_refused() -> None:
    with pytest.raises(TypeError, match="found None; wanted a text, number"):
        toml_value(None)


def test_nested_tables_read_back_as_they_were() -> None:
    table = {"a": 1, "b": {"c": {"d": 2, "e f": "g"}}, "h": {}, "i": {"j": [0.5], "k": {"l": True}}}
    assert tomllib.loads(to_toml(table)) == table


def test_fields_are_listed_with_type_range_default_and_meaning() -> None:
    fields = {".".join(field.key): field for field in fields_of(METHODS["contrastive"]) if field.kind != "set"}
    assert (fields["temperature"].values, fields["temperature"].default) == ("number, above 0", 0.1)
    assert fields["temperature"].meaning == "Temperature: the loss divides cosines by it. The default is the paper's."
    assert fields["dim"].values == "whole number, at least 1 and at most 256"
    assert fields["stop_by"].values == 'one of "rank", "loss"'
    assert fields["modalities"].values == "list of texts"
    assert fields["symmetric"].values == "true or false"
    assert fields["encoders.MODALITY.kind"].values == 'one of "mlp", "set"'
    assert fields["encoders.MODALITY.hidden"].values == "list of whole numbers, at least 1"
    assert "method" not in fields


def test_a_key_has_the_field_of_its_kind() -> None:
    fields = fields_of(METHODS["contrastive"])
    of_set, missing = field_of(fields, ("encoders", "tags", "heads"), "set"), field_of(fields, ("encoders", "heads"))
    assert of_set is not None
    assert (of_set.key, of_set.kind, of_set.default) == (("encoders", MODALITY, "heads"), "set", 4)
    assert missing is None


@pytest.mark.parametrize("method", METHODS)
def test_every_setting_of_every_method_has_a_meaning(method: str) -> None:
    assert all(len(field.meaning) > 15 and field.meaning.endswith(".") for field in fields_of(METHODS[method]))
