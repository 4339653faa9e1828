"""What jobs do, step by step. Each step may be run again from its beginning, and then finds what it made before."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.evaluating import Question, gate_ndcg, run_evaluation
from app.evaluations import store
from app.housekeeping import tidy
from app.jobs.types import EvaluateParams, ImportParams, TrainParams
from app.promoting import judged
from core.changes import SUFFIX
from core.db.promotions import last_promotion
from core.db.session import Database
from core.db.standing import fix_changes
from core.errors import NotFoundError
from core.fixing import Imported, fix_tables, last_import, mark_imported
from core.folding import fold
from core.model import CARD, Model
from core.notes import Notes
from core.settings import Home, Settings, newest, pick
from core.snapshot import Snapshot
from core.snapshot_source import write_source
from core.tables import Tables
from core.truth import find_truth
from core.types import Progress, silent
from index.artifact import Version
from index.build import build_version, embed_aside
from index.policy import Limits
from index.report import Report
from index.versions import current, find_version, promote
from training.config import load_config
from training.datasets.registry import DATASETS, make_tables
from training.datasets.tables import check_tables
from training.features.build import build_snapshot, import_similar
from training.features.recipe import Recipe
from training.features.rows import account
from training.train import train

Result = dict[str, Any]
"""What a step hands to the next: JSON."""


@dataclass(frozen=True)
class Steps:
    """The steps of all jobs over one home.

    Attributes:
        threads: of training, embedding and search.
        job: the job that they are run for.
        progress: told how far the step is; may raise to end the job.
    """

    settings: Settings
    database: Database
    threads: int = 1
    job: str = ""
    progress: Progress = silent

    def for_job(self, job: str, progress: Progress) -> Steps:
        """The same for one job."""
        return replace(self, job=job, progress=progress)

    @property
    def home(self) -> Home:
        return Home(self.settings.home)

    def bring(self, params: ImportParams) -> Result:
        """Make a dataset's tables, or check a folder of them, and fix them in the home."""
        source = Path(params.source)
        if params.source in DATASETS:
            source = self.home.tables / params.source
            if not source.exists():
                make_tables(params.source, self.home.downloads, source, self.progress)
        source, notes = source.expanduser(), Notes()
        tables = Tables.open(source, ignore_unread=self.settings.ignore_unread)
        check_tables(tables, notes, progress=self.progress)
        rows = {table: account(read, notes.left_out.get(table, {})) for table, read in sorted(notes.read.items())}
        found = {"notes": notes.counts, "examples": notes.examples, "columns_not_read": notes.columns}
        name, unread = self._fixed_tables(source)
        mark_imported(self.home.fixed, Imported(name, current(self.home.versions)))
        return {"tables": name, "rows": rows, **found, "files_not_read": unread}

    def fix(self, tables: str | None) -> Result:
        """Copy the tables and what changes leave standing, as they are now, into the home: the job reads these alone.

        The changes are those up to the one whose number is handed on; what is dropped later counts still.

        Raises:
            NotFoundError: none are named or set, and those that are known in the home are gone.
        """
        folder = self._folder(tables)
        name, unread = self._fixed_tables(folder)
        changes, last = fix_changes(self.database, self.home.changes)
        source = None if folder.parent == self.home.fixed else str(folder.absolute())
        fixed = {"tables": name, "source": source, "changes": changes, "last_change": last}
        return fixed | {"files_not_read": unread} if unread else fixed

    def choose_model(self, name: str | None) -> Result:
        """The model asked for, else the current version's, else the newest."""
        models, versions = self.home.models, self.home.versions
        if name is None and current(versions) is not None:
            name = Version.open(find_version(versions, None), verify=False).manifest["model"]
        found = (
            pick(models, name, "model", CARD) if name else newest(models, "model", CARD, "make one with: riyl train")
        )
        return {"model": Model.open(found).id}

    def place(self, fixed: Result, model: str) -> Result:
        """Snapshot of the tables, changes folded in, in the basis of a model.

        Args:
            fixed: what `fix` handed on.

        Raises:
            NotFoundError: the snapshot that the model was trained on is gone.
            MismatchError: a modality that somebody had there nobody has now, or there is one that the basis lacks: no
                night may lose one because a table was not there.
        """
        opened, chosen = self._tables(fixed), Model.open(self.home.models / model)
        source = _source(fixed)
        kept_folder = self.home.snapshots / str(chosen.card["snapshot"])
        if not kept_folder.exists():
            raise NotFoundError(
                f"{kept_folder}: found no such snapshot; wanted the one that model {model} was trained on"
            )
        kept = Snapshot.open(kept_folder)
        if kept.manifest["tables"] == opened.digests():
            snapshot = kept
            if source is not None:
                write_source(snapshot.folder, source)
        else:
            snapshots, had = self.home.snapshots, kept.modalities_had
            snapshot = build_snapshot(
                opened, Recipe(), snapshots, keep=kept, required=had, source=source, progress=self.progress
            )
        similar = import_similar(opened, self.home.truths)
        return {"snapshot": snapshot.id, "rows": {**snapshot.manifest.get("rows", {}), **similar}}

    def fit(self, fixed: Result) -> Result:
        """Snapshot of the tables, changes folded in, in a basis fitted on them."""
        opened = self._tables(fixed)
        snapshot = build_snapshot(opened, Recipe(), self.home.snapshots, source=_source(fixed), progress=self.progress)
        similar = import_similar(opened, self.home.truths)
        return {"snapshot": snapshot.id, "rows": {**snapshot.manifest.get("rows", {}), **similar}}

    def train(self, params: TrainParams, snapshot: str) -> Result:
        """Model of a snapshot."""
        name, config = load_config(params.config)
        model = train(
            name,
            config,
            self._snapshot(snapshot),
            self.home.models,
            seed=params.seed,
            device=params.device,
            threads=self.threads,
            links=None if params.links is None else find_truth(self.home.truths, params.links),
            progress=self.progress,
        )
        return {"model": model.id}

    def embed(self, model: str, snapshot: str) -> Result:
        """Every artist's embedding, kept until the version is built."""
        chosen, opened = Model.open(self.home.models / model), self._snapshot(snapshot)
        recall = self.settings.gate_min_recall
        embed_aside(chosen, opened, self.home.versions, recall=recall, threads=self.threads, progress=self.progress)
        return {}

    def build(self, model: str, snapshot: str) -> Result:
        """Version of a model and a snapshot."""
        chosen, opened = Model.open(self.home.models / model), self._snapshot(snapshot)
        version = build_version(
            chosen,
            opened,
            self.home.versions,
            recall=self.settings.gate_min_recall,
            threads=self.threads,
            progress=self.progress,
        )
        return {"version": version.id, "counts": version.manifest["counts"]}

    def judge(self, version: str) -> Result:
        """What the gate says of a version, written down."""
        ndcg, limits = gate_ndcg(self.settings), Limits.of(self.settings)
        report = judged(self.home.versions, self.database, version, limits, ndcg=ndcg, job=self.job)
        return {"verdict": report.as_dict()}

    def promote(self, version: str, verdict: Result, by: str) -> Result:
        """Make a version current, unless it is; and which truth it is then to be evaluated on, if any.

        Raises:
            GateError: the gate is against it.
        """
        with self.database.read() as connection:
            last = last_promotion(connection)
        if last is not None and last.version == version and last.job != self.job:
            return {"promoted": False}
        report, why = Report.of(verdict), f"job {self.job}"
        promote(self.home.versions, self.database, version, by=by, why=why, verdict=report, job=self.job)
        return {"promoted": True, "truth": self.settings.gate_truth}

    def prune(self, in_use: Collection[str]) -> Result:
        """Remove what is old, and what no running job has made."""
        keep = self.settings.keep_versions
        return {"removed": tidy(self.home, self.database, keep=keep, in_use=in_use)}

    def evaluate(self, params: EvaluateParams, by: str) -> Result:
        """Every figure, what came of each query, and the report, stored under the job's id."""
        asked = Question(**params.model_dump())
        found = run_evaluation(self.home, asked, threads=self.threads, progress=self.progress)
        store(
            self.home,
            self.database,
            self.job,
            params.model_dump(mode="json"),
            by=by,
            figures=found.figures,
            queries=found.queries,
            expected=found.expected,
            report=found.report,
        )
        return {"evaluation": self.job}

    def _fixed_tables(self, folder: Path) -> tuple[str, dict[str, str]]:
        """Fix a folder of tables; its name in the home, and why files of it are not read."""
        ignore = self.settings.ignore_unread
        unread = {name: why.reason for name, why in Tables.open(folder, ignore_unread=ignore).unread.items()}
        return fix_tables(folder, self.home.fixed, ignore_unread=ignore).name, unread

    def _folder(self, named: str | None) -> Path:
        """The tables named, else RIYL_TABLES, else those imported since the current version was promoted, else those
        behind it, else the copies made last.

        Raises:
            NotFoundError: there are none of these.
        """
        fixed, version = self.home.fixed, current(self.home.versions)
        if named is not None:
            folder = Path(named).expanduser()
            return fixed / folder if len(folder.parts) == 1 and not folder.exists() else folder
        if self.settings.tables is not None:
            return self.settings.tables
        imported = last_import(fixed)
        if imported is not None and imported.version == version:
            return fixed / imported.tables
        source = None if version is None else self._behind(version)
        if source is not None and not source.is_dir():
            raise NotFoundError(
                f"{source}: found no such folder; wanted the tables behind the current version {version}: bring them "
                "back, or name a folder of tables (riyl jobs run reindex -p tables=FOLDER), or set RIYL_TABLES"
            )
        return source or newest(fixed, "imported tables", "artists.*", "name a folder of tables, or set RIYL_TABLES")

    def _behind(self, version: str) -> Path | None:
        """Where the tables lay that a version was made of; None where its snapshot is gone or does not say."""
        snapshot = str(Version.open(find_version(self.home.versions, version), verify=False).manifest["snapshot"])
        folder = self.home.snapshots / snapshot
        return Snapshot.open(folder).source if folder.is_dir() else None

    def _snapshot(self, identity: str) -> Snapshot:
        return Snapshot.open(self.home.snapshots / identity)

    def _tables(self, fixed: Result) -> Tables:
        tables, changes = Tables.open(self.home.fixed / fixed["tables"]), fixed.get("changes")
        return (
            tables if changes is None else fold(tables, self.home.changes / f"{changes}{SUFFIX}", fixed["last_change"])
        )


def _source(fixed: Result) -> Path | None:
    """Where fixed tables came from; None where they were named by their id."""
    return None if fixed.get("source") is None else Path(fixed["source"])


def worker_threads(settings: Settings) -> int:
    """Threads of a worker: RIYL_THREADS, else one, for a service runs beside it."""
    return min(settings.threads or 1, os.cpu_count() or 1)
