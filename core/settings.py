"""Settings of a process, read once from RIYL_* environment variables at the start, and the folders of a home."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from riyl.core import setting_checks as checks
from riyl.core.errors import SettingsError

AnyPath = Annotated[Path, AfterValidator(checks.absolute_path)]


class Settings(BaseSettings):
    """Settings shared by every command.

    An unknown RIYL_ variable is ignored, an empty one counts as unset, and a malformed value is an error. Paths become
    absolute: ~ is expanded as in a shell, and a relative path starts at the working directory of the process's start.
    """

    model_config = SettingsConfigDict(env_prefix="RIYL_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    home: AnyPath = Field(
        default=Path("riyl-home"), validate_default=True, description="Folder that holds everything RIYL stores."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Annotated[int, BeforeValidator(checks.port)] = Field(
        default=checks.PORT, ge=0, le=65535, description="Port to listen on."
    )
    log_level: str = Field(
        default="WARNING",
        pattern="(?i)^(DEBUG|INFO|WARNING|ERROR)$",
        description="Least severe log level that is written.",
    )
    threads: int = Field(default=0, ge=0, description="Threads for training and search; 0 uses every core.")
    database_url: SecretStr | None = Field(
        default=None, description="postgresql://user:password@host/name; unset: a SQLite file in the home."
    )
    database_password_file: AnyPath | None = Field(
        default=None, description="File with the password of the database, in place of one in the address."
    )
    tables: AnyPath | None = Field(default=None, description="Default folder of tables of a re-index and of the demo.")
    import_root: AnyPath | None = Field(
        default=None,
        description="Folder below which jobs over HTTP may name folders of tables; unset: they may name none.",
    )
    ignore_unread: bool = Field(
        default=False,
        description="Whether files of a folder of tables that RIYL cannot read are ignored; else they are an error.",
    )
    worker: str = Field(
        default="worker",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Name of the worker: stable across restarts, and unique among workers.",
    )
    reindex_cron: Annotated[str, AfterValidator(checks.cron)] | None = Field(
        default=None, description="Schedule of re-indexes, as five cron fields in UTC; unset: none."
    )
    keep_versions: int = Field(default=3, ge=1, description="Number of newest versions that a re-index keeps.")
    quality_min_share: float = Field(
        default=0.9, ge=0, le=1, description="Minimum number of embedded artists, as a share of the current version's."
    )
    quality_min_table_share: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Minimum rows, artists and listeners of each table, as a share of the current version's.",
    )
    quality_min_recall: float = Field(
        default=0.99,
        ge=0.5,
        le=1,
        description="Minimum recall@10 of the index of a large catalog; it determines how many IVF lists are searched.",
    )
    quality_min_overlap: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Minimum mean overlap@50 of an artist's list with its list in the current version.",
    )
    quality_truth: str | None = Field(
        default=None, description="Ground truth on which a version must not be worse than the current one."
    )
    quality_max_drop: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Maximum drop of nDCG@200 on that ground truth, as a share of the current version's.",
    )
    require_key: bool = Field(default=False, description="Whether reading over HTTP requires a key, as writing does.")
    rate_limit: Annotated[str, AfterValidator(checks.rate_limit)] | None = Field(
        default=None,
        description="Maximum request rate of a key, or of an address without one, such as 600/minute; separated by ;.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(checks.origins)] = Field(
        default=(), description="Origins whose pages may send requests, separated by commas; * allows any."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(checks.hosts)] = Field(
        default=(),
        description="Allowed names of the header Host, separated by commas; * allows any. Unset: loopback "
        "names if the service listens on loopback, else any.",
    )
    root_path: Annotated[str, AfterValidator(checks.root_path)] = Field(
        default="",
        description="Prefix of the service's paths behind a reverse proxy that removes it, such as /music; it is added "
        "to links. Unset: the header X-Forwarded-Prefix of a trusted proxy, else none.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(checks.proxies)] = Field(
        default=(),
        description="Addresses or networks of reverse proxies whose headers X-Forwarded-For, -Proto and -Prefix are "
        "believed, separated by commas; unset: none.",
    )
    lastfm_upstream: Annotated[str, AfterValidator(checks.web_address)] | None = Field(
        default=None,
        description="Address that methods of Last.fm's protocol which RIYL does not answer are passed on to, such as "
        "https://ws.audioscrobbler.com/2.0/; unset: they are errors.",
    )
    concurrency_per_class: int = Field(
        default=4,
        ge=1,
        description="Maximum concurrent requests of each class (questions, database); one interpreter runs them all, "
        "so more would slow each down and take more memory.",
    )
    queue_per_class: int = Field(default=64, ge=0, description="Maximum requests of a class that wait in its queue.")
    queue_timeout_s: float = Field(default=2.0, gt=0, le=60, description="Maximum wait in a queue, in seconds.")


RENAMED_VARIABLES = {
    "RIYL_GATE_MIN_SHARE": "RIYL_QUALITY_MIN_SHARE",
    "RIYL_GATE_MIN_TABLE_SHARE": "RIYL_QUALITY_MIN_TABLE_SHARE",
    "RIYL_GATE_MIN_RECALL": "RIYL_QUALITY_MIN_RECALL",
    "RIYL_GATE_MIN_OVERLAP": "RIYL_QUALITY_MIN_OVERLAP",
    "RIYL_GATE_TRUTH": "RIYL_QUALITY_TRUTH",
    "RIYL_GATE_MAX_DROP": "RIYL_QUALITY_MAX_DROP",
    "RIYL_CONCURRENCY": "RIYL_CONCURRENCY_PER_CLASS",
    "RIYL_QUEUE": "RIYL_QUEUE_PER_CLASS",
}
"""Environment variables of earlier releases, each with its present name. The names are exact because orchestrators set
other variables that begin with RIYL_."""


class _Given(Settings):
    """Settings of a starting process: the files that they name must exist."""

    database_url: Annotated[SecretStr | None, AfterValidator(checks.postgres_address)] = None
    database_password_file: Annotated[AnyPath | None, AfterValidator(checks.readable_file)] = None


class _GivenWithTables(_Given):
    """Settings of a process that reads the tables: their folder must exist too."""

    tables: Annotated[AnyPath | None, AfterValidator(checks.folder_of_tables)] = None


def load_settings(home: Path | None = None, *, takes_tables: bool = False) -> Settings:
    """Read the settings from the environment.

    Args:
        home: folder from the command line, which takes precedence over RIYL_HOME; None if it was not given.
        takes_tables: whether the process reads RIYL_TABLES, so that the folder must exist.

    Raises:
        SettingsError: variables are invalid; the message names each with the value found and the form wanted.
    """
    kind = _GivenWithTables if takes_tables else _Given
    renamed = [
        f"{name}: found a name of an earlier release; wanted {RENAMED_VARIABLES[name.upper()]}"
        for name in sorted(os.environ)
        if name.upper() in RENAMED_VARIABLES and os.environ[name]
    ]
    try:
        settings = kind() if home is None else kind(home=home)
        if not renamed:
            return settings
        wrong = renamed
    except ValidationError as error:
        wrong = renamed + [
            f"{_variable(str(e['loc'][0]))}: {e['msg']}"
            + ("" if e["loc"][0] == "database_url" else f" (found {e['input']!r})")  # it may contain a password
            for e in error.errors()
        ]
    raise SettingsError(wrong[0] if len(wrong) == 1 else "\n  ".join([f"{len(wrong)} settings are wrong:", *wrong]))


def mistyped(variables: Iterable[str]) -> dict[str, str]:
    """Find variables whose names are almost the name of a setting; returns the probable setting's name by variable."""
    setting_names = [_variable(field) for field in Settings.model_fields]
    near = {
        name: difflib.get_close_matches(name.upper(), setting_names, 1, cutoff=0.85)
        for name in variables
        if name.upper().startswith("RIYL_") and name.upper() not in setting_names
    }
    return {name: matches[0] for name, matches in sorted(near.items()) if matches}


def _variable(field: str) -> str:
    return f"RIYL_{field.upper()}"


@dataclass(frozen=True)
class Home:
    """Folder that holds everything RIYL stores, and the paths in it."""

    root: Path

    @property
    def downloads(self) -> Path:
        return self.root / "downloads"

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    @property
    def frozen_tables(self) -> Path:
        """Copies of tables as jobs found them, named by the id of their content."""
        return self.root / "frozen_tables"

    @property
    def changes(self) -> Path:
        """Effective changes as jobs found them, one file each, named by the id of its content."""
        return self.root / "changes"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def truths(self) -> Path:
        return self.root / "truths"

    @property
    def supervision(self) -> Path:
        """Folder of the pairs that models were fine-tuned on, in the form of ground truths."""
        return self.root / "supervision"

    @property
    def embeddings(self) -> Path:
        """Folder of the embeddings that other programs computed, to evaluate them beside models."""
        return self.root / "embeddings"

    @property
    def versions(self) -> Path:
        return self.root / "versions"

    @property
    def rules(self) -> Path:
        """This home's copy of the editorial rules, to start without the database."""
        return self.root / "rules.json"

    @property
    def tombstones(self) -> Path:
        """This home's copy of the deleted and merged artists, to start without the database."""
        return self.root / "tombstones.ndjson"

    @property
    def evaluations(self) -> Path:
        """Results of each query and the report of the evaluations in the database, by evaluation id."""
        return self.root / "evaluations"

    @property
    def workers(self) -> Path:
        """A file per worker, by its name, whose modification time is the last renewal of its claim to the name."""
        return self.root / "workers"
