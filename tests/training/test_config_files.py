"""Layers of settings: files with their bases, and settings given one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from riyl.core.errors import ConfigError
from riyl.training.config_files import (
    SET,
    Layer,
    config_names,
    first_sentence,
    leaves,
    merged,
    parse_overrides,
    read_layers,
    source_of,
    summary_of,
)


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def test_a_chain_of_bases_is_read_from_the_config_down(tmp_path: Path) -> None:
    write(tmp_path, mine="base = 'shared/warm.toml'\ndim = 64\n")
    write(tmp_path / "shared", warm="base = 'paper-own'\ntemperature = 0.2\n")
    name, layers = read_layers(str(tmp_path / "mine.toml"))
    assert name == "mine"
    assert [layer.source for layer in layers] == [
        str(tmp_path / "mine.toml"),
        str(tmp_path / "shared" / "warm.toml"),
        "paper-own",
        "paper-msd",
    ]
    assert [dict(layer.settings) for layer in layers[:2]] == [{"dim": 64}, {"temperature": 0.2}]
    assert "base" not in layers[2].settings


def test_the_base_of_a_file_is_relative_to_the_file_and_not_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "configs", mine="base = 'warm.toml'\n", warm="method = 'pca'\ndim = 3\n")
    write(tmp_path / "elsewhere", warm="method = 'pca'\ndim = 4\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    _, layers = read_layers(str(Path("..") / "configs" / "mine.toml"))
    assert merged(layers) == {"method": "pca", "dim": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base = 'paper-mds'", "mine.toml: base: found 'paper-mds'; wanted cca, .*; the nearest name is paper-msd"),
        ("base = 'gone.toml'", r"mine.toml: base: found 'gone.toml'; wanted .* an existing \.toml file, relative to"),
        ("base = ['pca', 'cca']", r"mine.toml: base: found \['pca', 'cca'\]; wanted cca"),
        ("base = 'mine.toml'", "base: found the cycle .*mine.toml -> .*mine.toml; wanted a chain of bases that ends"),
        ("base = 'a.toml'", "b.toml: base: found the cycle .*mine.toml -> .*a.toml -> .*b.toml -> .*sub/../mine.toml"),
        (
            "base = 'paper-msd'\nmethod = 'cca'",
            "mine.toml: method: found 'cca', while its base paper-msd has 'contrastive'; wanted the same method",
        ),
        ("base = 'broken.toml'", "broken.toml: not TOML: "),
    ],
)
def test_a_wrong_base_is_refused_with_the_file_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path, mine=text, a="base = 'b.toml'", b="base = 'sub/../mine.toml'", broken="dim = ")
    with pytest.raises(ConfigError, match=message):
        read_layers(str(tmp_path / "mine.toml"))


def test_a_method_may_be_repeated(tmp_path: Path) -> None:
    write(tmp_path, mine="base = 'pca'\nmethod = 'pca'\n")
    assert len(read_layers(str(tmp_path / "mine.toml"))[1]) == 2


def test_an_unknown_config_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"found no config 'defualt'; wanted cca, .*; the nearest name is default$"):
        read_layers("defualt")


@pytest.mark.parametrize(
    ("assignment", "settings"),
    [
        ("temperature=0.2", {"temperature": 0.2}),
        ("dim = 64", {"dim": 64}),
        ("symmetric=true", {"symmetric": True}),
        ("stop_by=loss", {"stop_by": "loss"}),
        ("stop_by='loss'", {"stop_by": "loss"}),
        ("scoring.hubness=0.3", {"scoring": {"hubness": 0.3}}),
        ("encoders.audio.hidden=[512, 256]", {"encoders": {"audio": {"hidden": [512, 256]}}}),
        ("scoring={hubness=0.3}", {"scoring": {"hubness": 0.3}}),
        ("modalities=['cf', 'tags']", {"modalities": ["cf", "tags"]}),
    ],
)
def test_a_setting_is_a_dotted_key_and_a_toml_value_or_a_word(assignment: str, settings: dict[str, object]) -> None:
    assert parse_overrides([assignment]) == Layer(SET, settings)


def test_several_settings_of_one_section_are_kept() -> None:
    given = parse_overrides(["scoring.hubness=0.3", "scoring.tail=0.01"])
    assert given.settings == {"scoring": {"hubness": 0.3, "tail": 0.01}}


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["temperature"], "found 'temperature'; wanted KEY=VALUE"),
        (["=3"], "found '=3'; wanted KEY=VALUE"),
        (["a b=3"], "found the key 'a b'; wanted names joined by dots"),
        (["#=3"], "found the key '#'; wanted names joined by dots"),
        (["dim="], "--set dim: found ''; wanted a TOML value"),
        (["dim=[1"], r"--set dim: found '\[1'; wanted a TOML value"),
        (["dim=1\nratio=2"], r"--set dim: found '1\\nratio=2'; wanted a TOML value"),
        (["dim=3", "dim=4"], "--set dim: found a second value 4; wanted each setting once"),
        (["scoring=3", "scoring.tail=4"], "--set scoring.tail: found a second value 4"),
        (["method=pca"], "--set method: found 'pca'; wanted no method, because the other settings"),
        (["base=pca"], "--set base: found 'pca'; wanted no base, because only a config file has one"),
    ],
)
def test_a_malformed_setting_is_refused(assignments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_overrides(assignments)


def test_the_source_of_a_setting_is_the_first_layer_that_has_it() -> None:
    layers = [Layer("top", {"s": {"a": 1}}), Layer("middle", {"s": {"a": 2, "b": 2}}), Layer("bottom", {"c": {}})]
    assert merged(layers) == {"c": {}, "s": {"a": 1, "b": 2}}
    sources = {key: source_of(layers, key) for key in [("s", "a"), ("s", "b"), ("s",), ("c",), ("d",)]}
    assert sources == {("s", "a"): "top", ("s", "b"): "middle", ("s",): "top", ("c",): "bottom", ("d",): None}


def test_a_modality_called_kind_is_no_kind_of_a_section() -> None:
    layers = [Layer("top", {"weights": {"kind": 2}}), Layer("bottom", {"weights": {"kind": 1, "tags": 3}})]
    assert merged(layers) == {"weights": {"kind": 2, "tags": 3}}


def test_leaves_are_values_and_empty_sections() -> None:
    assert list(leaves({"a": 1, "b": {"c": [2], "d": {}}})) == [(("a",), 1), (("b", "c"), [2]), (("b", "d"), {})]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("A share of 0.5 of them. The default.", "A share of 0.5 of them."),
        ("No full stop", "No full stop"),
        ("Kind. `mlp` is one.", "Kind."),
    ],
)
def test_the_first_sentence_ends_at_a_full_stop_before_a_capital(text: str, first: str) -> None:
    assert first_sentence(text) == first


@pytest.mark.parametrize("name", config_names())
def test_every_config_begins_with_a_sentence_that_fits_a_line(name: str) -> None:
    assert 20 < len(summary_of(name)) <= 100
    assert summary_of(name).endswith(".")
