"""Settings are read from the environment once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from riyl.core.errors import ConfigError, SettingsError
from riyl.core.settings import RENAMED_VARIABLES, Home, Settings, load_settings, mistyped
from riyl.core.toml_files import read_toml
from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def _no_riyl_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.upper().startswith("RIYL_")]:
        monkeypatch.delenv(name)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """Return the error message of settings with these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    return str(caught.value)


def test_without_variables_there_are_defaults() -> None:
    settings = load_settings()
    assert (settings.home, settings.log_level, settings.threads) == (Path.cwd() / "riyl-home", "WARNING", 0)


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIYL_HOME", "/some/where")
    monkeypatch.setenv("RIYL_LOG_LEVEL", "debug")
    monkeypatch.setenv("RIYL_THREADS", "3")
    settings = load_settings()
    assert (settings.home, settings.log_level, settings.threads) == (Path("/some/where"), "debug", 3)


def test_the_command_line_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIYL_HOME", "/some/where")
    assert load_settings(Path("/else/where")).home == Path("/else/where")


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RIYL_TABLES", "RIYL_REINDEX_CRON", "RIYL_DATABASE_URL", "RIYL_THREADS"):
        monkeypatch.setenv(name, "")
    settings = load_settings()
    assert (settings.tables, settings.reindex_cron, settings.database_url, settings.threads) == (None, None, None, 0)


def test_an_unknown_variable_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIYL_NO_SUCH_THING", "1")
    load_settings()


@pytest.mark.parametrize(
    ("name", "value"), [("RIYL_THREADS", "many"), ("RIYL_THREADS", "-1"), ("RIYL_LOG_LEVEL", "LOUD")]
)
def test_a_malformed_variable_is_named_with_what_was_found(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    message = refusal(monkeypatch, **{name: value})
    assert message.startswith(f"{name}: ")
    assert f"(found {value!r})" in message


def test_every_wrong_variable_is_named_at_once_and_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RIYL_THREADS", "x")
    monkeypatch.setenv("RIYL_LOG_LEVEL", "y")
    monkeypatch.setenv("RIYL_REINDEX_CRON", "0 25 * * *")
    monkeypatch.setenv("RIYL_TABLES", str(tmp_path / "nowhere"))
    monkeypatch.setenv("RIYL_DATABASE_URL", "mysql://me:secret@host/name")
    monkeypatch.setenv("RIYL_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("RIYL_PORT", "99999")
    with pytest.raises(SettingsError) as caught:
        load_settings(takes_tables=True)
    first, *lines = str(caught.value).split("\n")
    assert first == "7 settings are wrong:"
    assert sorted(line.split(":")[0] for line in lines) == [
        "  RIYL_DATABASE_PASSWORD_FILE",
        "  RIYL_DATABASE_URL",
        "  RIYL_LOG_LEVEL",
        "  RIYL_PORT",
        "  RIYL_REINDEX_CRON",
        "  RIYL_TABLES",
        "  RIYL_THREADS",
    ]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "cron",
    ["0 25 * * *", "at night", "@daily", "0 3 * *", "0 0 3 * * * *", "0 0 30 2 *", "H 3 * * *", "0 3 * * MOO"],
)
def test_a_time_that_never_comes_is_told_what_is_wanted(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    message = refusal(monkeypatch, RIYL_REINDEX_CRON=cron)
    assert message.startswith("RIYL_REINDEX_CRON: wanted minute, hour, day, month and weekday, such as ")
    assert message.endswith(f"(found {cron!r})")


@pytest.mark.parametrize("cron", ["0 3 * * *", "*/15 2-4 1,15 * MON-FRI", "0 0 29 2 *", "* * * * * *"])
def test_a_time_is_five_fields_or_six_with_seconds_first(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    monkeypatch.setenv("RIYL_REINDEX_CRON", cron)
    assert load_settings().reindex_cron == cron


def test_paths_are_from_the_root_on_and_know_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "tables").mkdir()
    (tmp_path / "password").touch()
    monkeypatch.setenv("RIYL_TABLES", "~/tables")
    monkeypatch.setenv("RIYL_HOME", "~/data")
    monkeypatch.setenv("RIYL_DATABASE_PASSWORD_FILE", "~/password")
    settings = load_settings(takes_tables=True)
    assert (settings.tables, settings.home) == (tmp_path / "tables", tmp_path / "data")
    assert settings.database_password_file == tmp_path / "password"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIYL_TABLES", "tables")
    assert load_settings(Path("~/other")).home == tmp_path / "other"
    assert load_settings(Path("here"), takes_tables=True).tables == tmp_path / "tables"
    assert load_settings(Path("here")).home == tmp_path / "here"


def test_tables_that_are_away_stop_only_those_who_read_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RIYL_TABLES", str(tmp_path / "away"))
    assert load_settings().tables == tmp_path / "away"
    with pytest.raises(SettingsError, match="^RIYL_TABLES: found no such folder; wanted a folder of tables"):
        load_settings(takes_tables=True)


def test_an_orchestrators_address_of_a_service_is_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIYL_PORT", "tcp://10.0.0.1:8000")
    assert load_settings().port == 8000
    monkeypatch.setenv("RIYL_PORT", "10.0.0.1:8000")
    with pytest.raises(SettingsError, match="^RIYL_PORT: "):
        load_settings()


def test_a_variable_that_is_almost_a_setting_is_told_which_one() -> None:
    others = ["RIYL_PORT_8000_TCP", "RIYL_SERVICE_HOST", "RIYL_BENCH_TABLES", "RIYL_KEY", "RIYL_TABLES", "PATH"]
    assert mistyped(["RIYL_TABELS", "RIYL_REINDEX_CORN", *others]) == {
        "RIYL_REINDEX_CORN": "RIYL_REINDEX_CRON",
        "RIYL_TABELS": "RIYL_TABLES",
    }


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().threads = 2  # type: ignore[misc]


def test_everything_lies_under_the_home() -> None:
    home = Home(Path("/h"))
    folders = [home.downloads, home.tables, home.snapshots, home.models, home.truths]
    assert len(set(folders)) == 5
    assert all(folder.parent == Path("/h") for folder in folders)


class Colours(BaseModel):
    model_config = ConfigDict(extra="forbid")
    red: int = 1
    green: int = 2


def test_toml_is_read_with_defaults_for_the_rest(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("green = 5\n")
    assert read_toml(tmp_path / "c.toml", Colours) == Colours(red=1, green=5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"red = ", "c.toml: not TOML: "),
        (b"red = '\xff'", "c.toml: not TOML: "),
        (b"red = 'x'", "c.toml: red: Input should be a valid integer"),
        (b"blue = 3", "c.toml: blue: Extra inputs are not permitted (found 3)"),
    ],
)
def test_wrong_toml_is_refused_with_file_and_place(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_toml(tmp_path / "c.toml", Colours)
    assert message in str(caught.value)


def test_missing_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found no such file; wanted a TOML file"):
        read_toml(tmp_path / "c.toml", Colours)


@pytest.mark.parametrize(
    "rate_limit", ["many", "600", "600/fortnight", "0/minute", "10/second;", "10/second & 3/minute", "-1/day"]
)
def test_a_malformed_rate_limit_is_told_what_is_wanted(monkeypatch: pytest.MonkeyPatch, rate_limit: str) -> None:
    wanted = "wanted limits such as 600/minute, separated by ;"
    message = f"RIYL_RATE_LIMIT: {wanted} (found {rate_limit!r})"
    assert refusal(monkeypatch, RIYL_RATE_LIMIT=rate_limit) == message


@pytest.mark.parametrize("rate_limit", ["600/minute", "10/second; 600/hour", "5 per 2 minutes"])
def test_a_rate_limit_is_kept_as_it_was_written(monkeypatch: pytest.MonkeyPatch, rate_limit: str) -> None:
    monkeypatch.setenv("RIYL_RATE_LIMIT", rate_limit)
    assert load_settings().rate_limit == rate_limit


def test_origins_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIYL_CORS_ORIGINS", "https://music.example, http://[::1]:8080,http://localhost:3000")
    assert load_settings().cors_origins == ("https://music.example", "http://[::1]:8080", "http://localhost:3000")
    monkeypatch.setenv("RIYL_CORS_ORIGINS", "*")
    assert load_settings().cors_origins == ("*",)
    monkeypatch.setenv("RIYL_CORS_ORIGINS", "")
    assert load_settings().cors_origins == ()


@pytest.mark.parametrize(
    "origins",
    [
        "music.example",
        "https://music.example/",
        "https://a.example,,https://b.example",
        "ftp://a",
        "null",
        "https://*.a",
    ],
)
def test_what_is_no_origin_is_told_what_is_wanted(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    message = refusal(monkeypatch, RIYL_CORS_ORIGINS=origins)
    assert message.startswith("RIYL_CORS_ORIGINS: wanted origins such as https://music.example:8443, ")
    assert message.endswith(f"(found {origins!r})")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REQUIRE_KEY", "perhaps"),
        ("CONCURRENCY", "0"),
        ("QUEUE", "-1"),
        ("QUEUE_TIMEOUT_S", "0"),
        ("QUEUE_TIMEOUT_S", "nan"),
        ("QUEUE_TIMEOUT_S", "3600"),
    ],
)
def test_limits_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert refusal(monkeypatch, **{f"RIYL_{name}": value}).startswith(f"RIYL_{name}: ")


def test_a_setting_that_is_not_set_loads_nothing_for_it() -> None:
    code = "import sys, riyl.core.settings as s; s.load_settings(); print('limits' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(("name", "wanted"), sorted(RENAMED_VARIABLES.items()))
def test_a_variable_of_an_earlier_release_is_refused_with_its_name_now(
    monkeypatch: pytest.MonkeyPatch, name: str, wanted: str
) -> None:
    message = f"{name}: found a name of an earlier release; wanted {wanted}"
    assert refusal(monkeypatch, **{name: "0.5"}) == message
    monkeypatch.setenv(name, "")  # compose passes unset variables on as empty ones
    load_settings()


def test_renamed_and_wrong_variables_are_named_together(monkeypatch: pytest.MonkeyPatch) -> None:
    head, first, second = refusal(monkeypatch, RIYL_QUEUE="8", RIYL_THREADS="x").splitlines()
    assert head == "2 settings are wrong:"
    assert first == "  RIYL_QUEUE: found a name of an earlier release; wanted RIYL_QUEUE_PER_CLASS"
    assert second.startswith("  RIYL_THREADS: ")


def test_the_names_now_are_settings_and_those_of_before_are_none() -> None:
    settings = {f"RIYL_{name.upper()}" for name in Settings.model_fields}
    assert set(RENAMED_VARIABLES.values()) <= settings
    assert not set(RENAMED_VARIABLES) & settings
