"""Settings of a process, read from RIYL_* environment variables once, at the edge; and the home's folders."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from riyl.core import setting_checks as checks
from riyl.core.errors import ConfigError, SettingsError

AnyPath = Annotated[Path, AfterValidator(checks.absolute_path)]


class Settings(BaseSettings):
    """Settings shared by every command.

    An unknown RIYL_ variable is ignored, an empty one is not set, a malformed value is an error. Paths are from the
    root on, with ~ as the shell has it; what is relative is meant from the working directory at the start.
    """

    model_config = SettingsConfigDict(env_prefix="RIYL_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    home: AnyPath = Field(
        default=Path("riyl-home"), validate_default=True, description="Folder that holds everything RIYL stores."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen at.")
    port: Annotated[int, BeforeValidator(checks.port)] = Field(
        default=checks.PORT, ge=0, le=65535, description="Port to listen at."
    )
    log_level: str = Field(
        default="WARNING", pattern="(?i)^(DEBUG|INFO|WARNING|ERROR)$", description="Least severe level logged."
    )
    threads: int = Field(default=0, ge=0, description="Threads for training and search; 0 takes every core.")
    database_url: SecretStr | None = Field(
        default=None, description="postgresql://user:password@host/name; without it a SQLite file in the home."
    )
    database_password_file: AnyPath | None = Field(
        default=None, description="File with the database's password, instead of one in the address."
    )
    tables: AnyPath | None = Field(
        default=None, description="Folder of tables that a re-index, and the demo, take where none is named."
    )
    import_root: AnyPath | None = Field(
        default=None, description="Folder below which jobs over HTTP may name folders of tables; without it none."
    )
    ignore_unread: bool = Field(
        default=False,
        description="Whether files in a folder of tables that are not read are passed over, instead of refused.",
    )
    worker: str = Field(
        default="worker",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Name of the worker: stays the same when it starts again, and no two have the same.",
    )
    reindex_cron: Annotated[str, AfterValidator(checks.cron)] | None = Field(
        default=None, description="When to re-index, as five cron fields in UTC."
    )
    keep_versions: int = Field(default=3, ge=1, description="Newest versions that a re-index keeps.")
    quality_min_share: float = Field(
        default=0.9, ge=0, le=1, description="Least artists embedded, as a share of the current version's."
    )
    quality_min_table_share: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Least rows, artists and listeners of each table, as a share of those of the current version's.",
    )
    quality_min_recall: float = Field(
        default=0.99,
        ge=0.5,
        le=1,
        description="Least recall@10 of the index of a large catalog; as many cells are searched as that takes.",
    )
    quality_min_overlap: float = Field(
        default=0.5, ge=0, le=1, description="Least mean overlap@50 of an artist's list with the current version's."
    )
    quality_truth: str | None = Field(
        default=None, description="Truth on which a version must not be worse than the current one."
    )
    quality_max_drop: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Most that nDCG@200 on that truth may fall, as a share of the current.",
    )
    require_key: bool = Field(default=False, description="Whether reading over HTTP needs a key too.")
    rate_limit: Annotated[str, AfterValidator(checks.rate_limit)] | None = Field(
        default=None,
        description="Most requests of a key, or of an address without one, such as 600/minute; several with ; between.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(checks.origins)] = Field(
        default=(), description="Origins whose pages may ask, with commas between; * for any."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(checks.hosts)] = Field(
        default=(),
        description="Names of the header Host that are answered, with commas between; * for any. Without it loopback "
        "names where the service listens on loopback, else any.",
    )
    concurrency_per_class: int = Field(
        default=4,
        ge=1,
        description="Questions that are answered at once, and requests to the database; one interpreter runs them all, "
        "so more would make each slower and take more memory.",
    )
    queue_per_class: int = Field(
        default=64, ge=0, description="Requests of each of these kinds that wait for their turn."
    )
    queue_timeout_s: float = Field(default=2.0, gt=0, le=60, description="Longest that one waits, in seconds.")


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
"""Environment variables of earlier releases, each with its name now. Exact names: orchestrators set others that begin
with RIYL_."""


class _Given(Settings):
    """Settings of a process that starts: what they name is there."""

    database_url: Annotated[SecretStr | None, AfterValidator(checks.postgres_address)] = None
    database_password_file: Annotated[AnyPath | None, AfterValidator(checks.readable_file)] = None


class _GivenWithTables(_Given):
    """Settings of a process that reads the tables."""

    tables: Annotated[AnyPath | None, AfterValidator(checks.folder_of_tables)] = None


def load_settings(home: Path | None = None, *, takes_tables: bool = False) -> Settings:
    """Settings from the environment, with `home` taken from the command line where it was given.

    Args:
        takes_tables: whether the process reads RIYL_TABLES, so that the folder must be there.

    Raises:
        SettingsError: variables are not what they should be; the message names every one, found and wanted.
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
            + ("" if e["loc"][0] == "database_url" else f" (found {e['input']!r})")  # it may have a password in it
            for e in error.errors()
        ]
    raise SettingsError(wrong[0] if len(wrong) == 1 else "\n  ".join([f"{len(wrong)} settings are wrong:", *wrong]))


def mistyped(variables: Iterable[str]) -> dict[str, str]:
    """Of these variables' names, those that are almost a setting's, and which one was probably meant."""
    setting_names = [_variable(field) for field in Settings.model_fields]
    near = {
        name: difflib.get_close_matches(name.upper(), setting_names, 1, cutoff=0.85)
        for name in variables
        if name.upper().startswith("RIYL_") and name.upper() not in setting_names
    }
    return {name: matches[0] for name, matches in sorted(near.items()) if matches}


def _variable(field: str) -> str:
    return f"RIYL_{field.upper()}"


Parsed = TypeVar("Parsed", bound=BaseModel)


def read_toml(path: Path, kind: type[Parsed], *, renamed: Mapping[str, str] | None = None) -> Parsed:
    """A TOML file as a checked value; what the file leaves out has its default.

    Args:
        renamed: names of earlier releases, each with its name now, for the message about one.

    Raises:
        ConfigError: no such file, not TOML, an unknown name or a wrong value; names file, place, found and wanted.
    """
    try:
        return kind.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: found no such file; wanted a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        names = renamed or {}
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: found a name of an earlier release; wanted {names[str(e['loc'][-1])]}"
            if e["type"] == "extra_forbidden" and str(e["loc"][-1]) in names
            else f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})"
            for e in error.errors()
        )
        raise ConfigError(f"{path}: {wrong}") from error


@dataclass(frozen=True)
class Home:
    """The folder under which everything lives, and where in it."""

    root: Path

    @property
    def downloads(self) -> Path:
        return self.root / "downloads"

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    @property
    def frozen_tables(self) -> Path:
        """Copies of tables as jobs found them, by their content's id."""
        return self.root / "frozen_tables"

    @property
    def changes(self) -> Path:
        """What changes left standing as jobs found it, a file by its content's id."""
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
        """What each query found, and the report, of the evaluations in the database, by their ids."""
        return self.root / "evaluations"

    @property
    def workers(self) -> Path:
        """A file by each worker's name, whose modification time is when it last made sure of its place."""
        return self.root / "workers"
