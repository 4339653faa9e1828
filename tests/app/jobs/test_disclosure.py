"""Jobs over HTTP: no value of a file, no folder of the server, no name of a key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from riyl.app.jobs.disclosure import shown_author, shown_error, shown_values
from riyl.app.jobs.store import JobError, JsonSerializer
from riyl.core.catalog.tables import Tables
from riyl.core.errors import ConfigError, InputError, NotFoundError, QualityCheckError, TableError
from riyl.core.toml_files import read_toml
from riyl.training.config import PcaConfig
from riyl.training.datasets.tables import check_tables
from tests.conftest import write_tables

SECRET = "hunter2"
ALL = " (riyl jobs list, run on the machine of the service, shows the full text)"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            TableError("/srv/tables/plays.csv", row=12, line=13, found=repr(SECRET), wanted="a number"),
            f"plays.csv, row 12, line 13: found another value; wanted a number{ALL}",
        ),
        (InputError(f"/etc/passwd: found {SECRET}; wanted tables"), f"The input is invalid.{ALL}"),
        (
            ConfigError(f"/a/b.toml: seed: not an integer (found {SECRET!r})"),
            f"A setting, recipe or training config is invalid.{ALL}",
        ),
        (ValueError(SECRET), f"ValueError{ALL}"),
        (OSError(28, "No space left on device", f"/data/{SECRET}"), "No space left on device"),
        (
            QualityCheckError("version ab failed"),
            "version ab failed",
        ),
        (
            NotFoundError("there is no truth 'x' in /data/truths/more; see GET /v1/truths"),
            "there is no truth 'x' in more; see GET /v1/truths",
        ),
    ],
)
def test_an_error_is_shown_without_values_and_folders(error: BaseException, shown: str) -> None:
    stored = JsonSerializer().serialize(error)
    read = JsonSerializer().deserialize(stored)
    assert isinstance(read, JobError)
    assert (str(read), read.shown) == (str(error), shown)
    # as a child job passes it to its parent
    again = JsonSerializer().deserialize(JsonSerializer().serialize(read))
    assert (str(again), again.shown) == (str(error), shown)
    assert shown_error(error) == shown


def test_an_error_that_an_earlier_release_stored_is_not_shown() -> None:
    read = JsonSerializer().deserialize(json.dumps({"error": "InputError", "message": SECRET}))
    assert (str(read), read.shown) == (SECRET, ALL.strip(" ()"))


@pytest.mark.parametrize(
    "text",
    [
        f"artist_id,{SECRET}\n{SECRET},{SECRET}\n",
        f"artist_id,tag,weight\n{SECRET},rock,{SECRET}\n",
        f"{SECRET}\n",
        f'artist_id,tag,weight\n"{SECRET},rock,1\n',
        f"artist_id,tag,weight\n{SECRET}\n",
        f"artist_id,tag,weight,{SECRET}\n{SECRET},rock,1e999,{SECRET}\n",
    ],
)
def test_no_value_of_a_wrong_table_is_shown(tmp_path: Path, text: str) -> None:
    folder = write_tables(tmp_path / SECRET, artists={"artist_id": ["a"], "name": ["A"]})
    (folder / "tags.csv").write_text(text)
    with pytest.raises(Exception) as caught:
        check_tables(Tables.open(folder))
    assert SECRET not in shown_error(caught.value)


def test_no_value_of_a_file_that_is_no_config_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "credentials.toml"
    for text in (f"password = '{SECRET}'", SECRET, f"seed = '{SECRET}'"):
        file.write_text(text)
        with pytest.raises(ConfigError) as caught:
            read_toml(file, PcaConfig)
        assert SECRET not in shown_error(caught.value)


def test_params_and_results_are_shown_without_folders_and_values() -> None:
    result = {
        "tables": "ab12",
        "source": "/srv/catalog/nightly",
        "rows": {"tags": {"read": 3, "kept": 2}},
        "examples": {"tags.csv: row of an artist that the artists table lacks": [SECRET]},
        "columns_not_read": {"tags.csv": [SECRET]},
        "files_not_read": {"README.md": "a document"},
        "removed": ["/data/versions/ab"],
    }
    assert shown_values(result) == {
        "tables": "ab12",
        "source": "nightly",
        "rows": {"tags": {"read": 3, "kept": 2}},
        "files_not_read": {"README.md": "a document"},
        "removed": ["ab"],
    }


def test_an_author_is_shown_by_its_kind() -> None:
    assert [shown_author(by) for by in ("key:ops", "schedule", "ann")] == ["key", "schedule", "command"]
