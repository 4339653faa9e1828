"""Errors of configs name the source, the key, the value found, the value wanted and the nearest known key."""

from __future__ import annotations

from pathlib import Path

import pytest

from riyl.core.errors import ConfigError
from riyl.training.config import load_config


@pytest.mark.parametrize(
    ("config", "override", "message"),
    [
        (
            "paper-msd",
            "temprature=0.2",
            "--set: temprature: found an unknown setting with the value 0.2; wanted temperature, the nearest known one",
        ),
        (
            "default",
            "scoring.hubnes=0.3",
            "--set: scoring.hubnes: found an .* 0.3; wanted scoring.hubness, ",
        ),
        ("default", "hubness=0.3", "--set: hubness: found an unknown setting .* 0.3; wanted scoring.hubness$"),
        (
            "paper-msd",
            "encoders.audio.hiden=[3]",
            r"encoders.audio.hiden: .* value \[3\]; wanted encoders.audio.hid",
        ),
        (
            "paper-msd",
            "encoders.tags.hidden=[3]",
            'tags.hidden: .*; wanted kind = "mlp", which has .*, or one of kind, att',
        ),
        ("pca", "zzz=2", "--set: zzz: found an unknown setting with the value 2; wanted one of dim, unit_rows$"),
        ("pca", "dim=257", "--set: dim: found 257; wanted a number less than or equal to 256$"),
        ("paper-msd", "temperature=warm", "--set: temperature: found 'warm'; wanted a valid number"),
        ("paper-msd", "temperature=inf", "--set: temperature: found inf; wanted a finite number$"),
        ("paper-msd", "stop_by=los", "--set: stop_by: found 'los'; wanted 'rank' or 'loss'$"),
        ("paper-msd", "encoders.audio.hidden=[8, 0]", r"encoders.audio.hidden\[1\]: found 0; wanted a number greater"),
        ("paper-msd", "encoders.text.hidden=[8]", 'encoders.text: found no kind; wanted one of "mlp", "set"$'),
        ("paper-msd", "encoders.audio.kind=cnn", 'encoders.audio.kind: found \'cnn\'; wanted one of "mlp", "set"$'),
        ("paper-msd", "encoders.tags.heads=3", "--set: encoders.tags: attention 256 is not a multiple of heads 3$"),
        ("paper-msd", "encoders.audio=3", "--set: encoders.audio: found 3; wanted a section$"),
        ("default", "scoring=3", "--set: scoring: found 3; wanted a section$"),
        (
            "default",
            "scoring.balanced.25=5",
            "--set: scoring.balanced.25: found 5; wanted a number less than or equal to 4",
        ),
        (
            "default",
            "scoring.balanced.0=1",
            "--set: scoring.balanced.0: found '0'; wanted a number greater than or equal",
        ),
        ("default", "scoring.balanced.x=1", "--set: scoring.balanced.x: found 'x'; wanted a valid integer"),
        ("default", "norm_shrinkage.tags=-1", "--set: norm_shrinkage.tags: found -1; wanted a number greater than"),
    ],
)
def test_a_wrong_override_says_what_is_wanted(config: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config, [override])


def test_each_fault_is_told_with_the_file_that_it_is_in(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("base = 'shared.toml'\ndim = 0\n")
    (tmp_path / "shared.toml").write_text("base = 'default'\nridge = -1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(str(tmp_path / "mine.toml"))
    assert str(caught.value) == (
        f"{tmp_path}/mine.toml: dim: found 0; wanted a number greater than or equal to 1; "
        f"{tmp_path}/shared.toml: ridge: found -1; wanted a number greater than 0"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "method = 'contrastiv'",
            "mine.toml: method: found 'contrastiv'; wanted one of cca, .*; the nearest is co",
        ),
        ("dim = 3", "mine.toml: method: found none; wanted one of cca, contrastive, pca, random-projection, single$"),
        ("method = 3", "mine.toml: method: found 3; wanted one of cca"),
        ("method = 'single'", "mine.toml: modality: found no value; wanted one$"),
    ],
)
def test_a_file_without_what_it_needs_says_so(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(str(tmp_path / "mine.toml"))
