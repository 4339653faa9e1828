"""Steps of jobs. Each step can run again from its beginning, and then finds the results of its earlier run."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from riyl.app.evaluations.run import quality_ndcg, run_evaluation
from riyl.app.evaluations.store import store
from riyl.app.jobs.import_root import FROM_HTTP, folder_below
from riyl.app.jobs.questions import question_of
from riyl.app.jobs.types import EvaluateParams, ImportParams, TrainParams
from riyl.core.catalog.freeze import Imported, freeze_tables, last_import, mark_imported
from riyl.core.catalog.notes import Notes
from riyl.core.catalog.tables import Tables
from riyl.core.changes.effective import SUFFIX
from riyl.core.changes.fold import fold
from riyl.core.db.effective import freeze_changes
from riyl.core.db.promotions import last_promotion
from riyl.core.db.session import Database
from riyl.core.errors import NotFoundError
from riyl.core.settings import Home, Settings
from riyl.core.storage.entries import newest, pick
from riyl.core.storage.ground_truth import find_truth
from riyl.core.storage.model import CARD, Model
from riyl.core.storage.relations import Relation
from riyl.core.storage.snapshot import Snapshot
from riyl.core.storage.snapshot_source import write_source
from riyl.core.types import Progress, silent
from riyl.index.artifact.version import Version
from riyl.index.build.build import build_version, embed_aside
from riyl.index.versions.lifecycle import current, find_version, promote
from riyl.index.versions.promotion import judged
from riyl.index.versions.promotion_policy import Limits
from riyl.index.versions.report import Report
from riyl.index.versions.retention import tidy
from riyl.training.config import load_config
from riyl.training.datasets.registry import DATASETS, make_tables
from riyl.training.datasets.tables import check_tables
from riyl.training.features.build import build_snapshot, import_similar
from riyl.training.features.recipe import Recipe
from riyl.training.features.rows import account
from riyl.training.train import train

Result = dict[str, Any]
"""Value that a step passes to the next: JSON."""


@dataclass(frozen=True)
class Steps:
    """Steps of all jobs over one home.

    Attributes:
        threads: number of threads of training, embedding and search.
        job: id of the job that they run for.
        progress: receives the progress of the step; may raise to end the job.
    """

    settings: Settings
    database: Database
    threads: int = 1
    job: str = ""
    progress: Progress = silent

    def for_job(self, job: str, progress: Progress) -> Steps:
        """Return the same steps for one job."""
        return replace(self, job=job, progress=progress)

    @property
    def home(self) -> Home:
        return Home(self.settings.home)

    def bring(self, params: ImportParams, by: str) -> Result:
        """Make a dataset's tables, or check a folder of them, and freeze them in the home.

        Raises:
            InputError: see `riyl.app.jobs.import_root.folder_below`, for a job over HTTP.
        """
        if params.source in DATASETS:
            source = self.home.tables / params.source
            if not source.exists():
                make_tables(params.source, self.home.downloads, source, self.progress)
        else:
            source = self._named(params.source, by)
        notes = Notes()
        tables = Tables.open(source, ignore_unread=self.settings.ignore_unread)
        check_tables(tables, notes, progress=self.progress)
        rows = {table: account(read, notes.skipped_rows.get(table, {})) for table, read in sorted(notes.read.items())}
        import_notes = {"notes": notes.counts, "examples": notes.examples, "columns_not_read": notes.columns}
        name, unread = self._fixed_tables(source)
        mark_imported(self.home.frozen_tables, Imported(name, current(self.home.versions)))
        return {"tables": name, "rows": rows, **import_notes, "files_not_read": unread}

    def freeze(self, tables: str | None, by: str) -> Result:
        """Copy the tables and the effective changes, as they are now, into the home: the job reads only these copies.

        The changes are those up to the one whose number is passed on; a change that is dropped later still counts.

        Raises:
            NotFoundError: no tables are named or set, and those that the home knows are gone.
            InputError: see `riyl.app.jobs.import_root.folder_below`, for a job over HTTP.
        """
        folder = self._folder(tables, by)
        name, unread = self._fixed_tables(folder)
        changes, last = freeze_changes(self.database, self.home.changes)
        source = None if folder.parent == self.home.frozen_tables else str(folder.absolute())
        frozen = {"tables": name, "source": source, "changes": changes, "last_change": last}
        return frozen | {"files_not_read": unread} if unread else frozen

    def choose_model(self, name: str | None) -> Result:
        """Return the named model, else the current version's, else the newest."""
        models, versions = self.home.models, self.home.versions
        if name is None and current(versions) is not None:
            name = Version.open(find_version(versions, None), verify=False).manifest["model"]
        folder = (
            pick(models, name, "model", CARD) if name else newest(models, "model", CARD, "make one with: riyl train")
        )
        return {"model": Model.open(folder).id}

    def featurize(self, frozen: Result, model: str) -> Result:
        """Make a snapshot of the tables, with changes folded in, with the featurizer of a model.

        Args:
            frozen: result of `freeze`.
            model: id of the model.

        Raises:
            NotFoundError: the snapshot that the model was trained on is gone.
            MismatchError: a modality that artists had there has no artists now, or the tables have one that the
                featurizer lacks: a scheduled run must not lose a modality because a table was missing.
        """
        opened, chosen = self._tables(frozen), Model.open(self.home.models / model)
        source = _source(frozen)
        training_folder = self.home.snapshots / str(chosen.card["snapshot"])
        if not training_folder.exists():
            raise NotFoundError(
                f"{training_folder}: found no such snapshot; wanted the one that model {model} was trained on"
            )
        training_snapshot = Snapshot.open(training_folder)
        if training_snapshot.manifest["tables"] == opened.digests():
            snapshot = training_snapshot
            if source is not None:
                write_source(snapshot.folder, source)
        else:
            snapshots, had = self.home.snapshots, training_snapshot.modalities_had
            snapshot = build_snapshot(
                opened, Recipe(), snapshots, keep=training_snapshot, required=had, source=source, progress=self.progress
            )
        similar = import_similar(opened, self.home.truths)
        return {"snapshot": snapshot.id, "rows": {**snapshot.manifest.get("rows", {}), **similar}}

    def fit(self, frozen: Result) -> Result:
        """Make a snapshot of the tables, with changes folded in, with a featurizer fitted on them."""
        opened = self._tables(frozen)
        snapshot = build_snapshot(opened, Recipe(), self.home.snapshots, source=_source(frozen), progress=self.progress)
        similar = import_similar(opened, self.home.truths)
        return {"snapshot": snapshot.id, "rows": {**snapshot.manifest.get("rows", {}), **similar}}

    def train(self, params: TrainParams, snapshot: str) -> Result:
        """Train a model on a snapshot."""
        name, config = load_config(params.config)
        relations = [Relation(find_truth(self.home.truths, truth), weight) for truth, weight in params.relations]
        model = train(
            name,
            config,
            self._snapshot(snapshot),
            self.home.models,
            seed=params.seed,
            device=params.device,
            threads=self.threads,
            relations=relations,
            progress=self.progress,
        )
        return {"model": model.id}

    def embed(self, model: str, snapshot: str) -> Result:
        """Embed all artists; the embeddings are kept until the version is built."""
        chosen, opened = Model.open(self.home.models / model), self._snapshot(snapshot)
        recall = self.settings.quality_min_recall
        embed_aside(chosen, opened, self.home.versions, recall=recall, threads=self.threads, progress=self.progress)
        return {}

    def build(self, model: str, snapshot: str) -> Result:
        """Build the version of a model and a snapshot."""
        chosen, opened = Model.open(self.home.models / model), self._snapshot(snapshot)
        version = build_version(
            chosen,
            opened,
            self.home.versions,
            recall=self.settings.quality_min_recall,
            threads=self.threads,
            progress=self.progress,
        )
        return {"version": version.id, "counts": version.manifest["counts"]}

    def judge(self, version: str) -> Result:
        """Apply the promotion policy to a version, and record the verdict."""
        ndcg, limits = quality_ndcg(self.settings), Limits.of(self.settings)
        report = judged(self.home.versions, self.database, version, limits, ndcg=ndcg, job=self.job)
        return {"verdict": report.as_dict()}

    def promote(self, version: str, verdict: Result, by: str) -> Result:
        """Make a version current, unless it is; return also the ground truth to evaluate it on, if any.

        Raises:
            QualityCheckError: the promotion policy refuses it.
        """
        with self.database.read() as connection:
            last = last_promotion(connection)
        if last is not None and last.version == version and last.job != self.job:
            return {"promoted": False}
        report, why = Report.of(verdict), f"job {self.job}"
        promote(self.home.versions, self.database, version, by=by, why=why, verdict=report, job=self.job)
        return {"promoted": True, "truth": self.settings.quality_truth}

    def prune(self, in_use: Collection[str]) -> Result:
        """Remove old entries, except those that running jobs have made."""
        keep = self.settings.keep_versions
        return {"removed": tidy(self.home, self.database, keep=keep, in_use=in_use)}

    def evaluate(self, params: EvaluateParams, by: str) -> Result:
        """Compute every figure, the result of each query and the report, and store them under the job's id."""
        question = question_of(params, self.home)
        evaluated = run_evaluation(self.home, question, threads=self.threads, progress=self.progress)
        store(
            self.home,
            self.database,
            self.job,
            params.model_dump(mode="json"),
            by=by,
            figures=evaluated.figures,
            queries=evaluated.queries,
            expected=evaluated.expected,
            report=evaluated.report,
        )
        return {"evaluation": self.job}

    def _fixed_tables(self, folder: Path) -> tuple[str, dict[str, str]]:
        """Freeze a folder of tables; return its name in the home, and why some of its files are not read."""
        ignore = self.settings.ignore_unread
        unread = {name: why.reason for name, why in Tables.open(folder, ignore_unread=ignore).unread.items()}
        return freeze_tables(folder, self.home.frozen_tables, ignore_unread=ignore).name, unread

    def _named(self, named: str, by: str) -> Path:
        """Return a folder that a job names."""
        return folder_below(self.settings.import_root, named) if by.startswith(FROM_HTTP) else Path(named).expanduser()

    def _folder(self, named: str | None, by: str) -> Path:
        """Return the tables named, or the default tables.

        These are RIYL_TABLES, else those imported since the current version was promoted, else those behind it, else
        the newest copies.

        Raises:
            NotFoundError: there are none of these.
        """
        frozen, version = self.home.frozen_tables, current(self.home.versions)
        if named is not None:
            copies = {copy.name for copy in frozen.glob("[!.]*")}
            return frozen / named if named in copies else self._named(named, by)
        if self.settings.tables is not None:
            return self.settings.tables
        imported = last_import(frozen)
        if imported is not None and imported.version == version:
            return frozen / imported.tables
        source = None if version is None else self._behind(version)
        if source is not None and not source.is_dir():
            raise NotFoundError(
                f"{source}: found no such folder; wanted the tables behind the current version {version}: bring them "
                "back, or name a folder of tables (riyl jobs run reindex -p tables=FOLDER), or set RIYL_TABLES"
            )
        return source or newest(frozen, "imported tables", "artists.*", "name a folder of tables, or set RIYL_TABLES")

    def _behind(self, version: str) -> Path | None:
        """Return where the tables of a version were; None where its snapshot is gone or does not record it."""
        snapshot = str(Version.open(find_version(self.home.versions, version), verify=False).manifest["snapshot"])
        folder = self.home.snapshots / snapshot
        return Snapshot.open(folder).source if folder.is_dir() else None

    def _snapshot(self, identity: str) -> Snapshot:
        return Snapshot.open(self.home.snapshots / identity)

    def _tables(self, frozen: Result) -> Tables:
        tables, changes = Tables.open(self.home.frozen_tables / frozen["tables"]), frozen.get("changes")
        return (
            tables if changes is None else fold(tables, self.home.changes / f"{changes}{SUFFIX}", frozen["last_change"])
        )


def _source(frozen: Result) -> Path | None:
    """Return where frozen tables came from; None where they were named by their id."""
    return None if frozen.get("source") is None else Path(frozen["source"])


def worker_threads(settings: Settings) -> int:
    """Return the number of threads of a worker: RIYL_THREADS, else one, because a service runs on the same machine."""
    return min(settings.threads or 1, os.cpu_count() or 1)
