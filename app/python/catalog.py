"""Home of RIYL in Python: its snapshots, models and versions, similar artists, and evaluations, as data frames."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from riyl.app.evaluations.question import Question
from riyl.app.evaluations.run import run_evaluation
from riyl.app.evaluations.store import store as store_evaluation
from riyl.app.python import contents
from riyl.app.python.arrays import stored_arrays
from riyl.app.python.evaluation import Evaluation
from riyl.app.python.frames import Backend, Frame, choose_backend, rows_to_frame, to_frame
from riyl.app.python.parameters import build, with_fields_of
from riyl.app.python.similar import ANSWERS, SIMILAR, query_rows, similar_rows
from riyl.app.serving.current import CurrentState
from riyl.core.db.session import Database
from riyl.core.errors import NotFoundError
from riyl.core.settings import Home, Settings, load_settings
from riyl.core.storage.earlier_homes import check_home
from riyl.core.storage.ground_truth import Truth, find_truth
from riyl.core.storage.model import Model
from riyl.core.storage.snapshot import Snapshot
from riyl.core.types import Progress, silent
from riyl.index.artifact.version import Version
from riyl.index.versions import lifecycle
from riyl.index.versions.line import find_model_of_line, find_snapshot_of_line


def open_catalog(home: str | Path | None = None, *, backend: str | None = None) -> Catalog:
    """Open a home; `riyl.open` is this function.

    Args:
        home: folder of all data of RIYL; None is RIYL_HOME, else ./riyl-home, as for the command line.
        backend: "polars", "pandas" or "pyarrow"; None is the first of these that is installed.

    Raises:
        NotFoundError: there is no such folder.
        OutdatedError: the home is of an earlier release; the message has the command to run.
        InputError: the backend is unknown or not installed.
        SettingsError: a RIYL_ environment variable is invalid.
    """
    chosen = choose_backend(backend)
    settings = load_settings(None if home is None else Path(home))
    if not settings.home.is_dir():
        raise NotFoundError(
            f"{settings.home}: found no such folder; wanted a home of RIYL, as `riyl --home FOLDER demo` makes"
        )
    check_home(Home(settings.home))
    return Catalog(settings, chosen)


class Catalog:
    """An opened home; make one with `riyl.open`.

    Names and ids are those of the command line, and so are the defaults: where none is given, a snapshot or model is
    the newest of the current version's catalog, and a version is the current one. Everything is read when it is asked
    for, so that a catalog stays right while the home changes.

    Args:
        settings: settings of the process.
        backend: library of the frames.

    Attributes:
        home: paths of the home.

    Example:
        >>> catalog = riyl.open("riyl-home")
        >>> catalog.models()
        >>> catalog.similar("a0000337", k=5)
        >>> catalog.evaluate(["default"], conditions=["fmc"]).results
    """

    def __init__(self, settings: Settings, backend: Backend) -> None:
        self.home = Home(settings.home)
        self.backend = backend
        self._settings = settings
        self._current = CurrentState(settings, lambda: self._database)

    def __repr__(self) -> str:
        return f"<Catalog {self.home.root}, frames of {self.backend}>"

    def snapshots(self) -> Frame:
        """List the snapshots, the newest first: id, artists, modalities, featurizer, unreadable (reason, or null)."""
        return rows_to_frame(contents.snapshot_rows(self.home), contents.SNAPSHOTS, self.backend)

    def models(self) -> Frame:
        """List the models, the newest first, and fitted baselines last; current marks that of the current version."""
        return rows_to_frame(contents.model_rows(self.home), contents.MODELS, self.backend)

    def versions(self) -> Frame:
        """List the index versions, the newest first; current marks the promoted one."""
        return rows_to_frame(contents.version_rows(self.home), contents.VERSIONS, self.backend)

    def truths(self) -> Frame:
        """List the ground truths, the newest first: id, name, pairs, directed, source, unreadable."""
        return rows_to_frame(contents.truth_rows(self.home), contents.TRUTHS, self.backend)

    def artists(self, snapshot: str | None = None) -> Frame:
        """List the artists of a snapshot by id: artist_id, name, mbid, aliases and attributes.

        Raises:
            NotFoundError: there is no such snapshot.
        """
        return to_frame(self.snapshot(snapshot).artists, self.backend)

    def snapshot(self, id: str | None = None) -> Snapshot:
        """Open a snapshot by its id, or the beginning of it.

        Raises:
            NotFoundError: there is no such snapshot.
            FormatError: it is damaged, or of an earlier release.
        """
        return find_snapshot_of_line(self.home, id)

    def model(self, name: str | None = None) -> Model:
        """Open a model by name or id; of a name the newest of the current version's catalog.

        Raises:
            NotFoundError: there is no such model.
            FormatError: it is damaged, or of an earlier release.
        """
        return find_model_of_line(self.home, name)

    def version(self, id: str | None = None) -> Version:
        """Open an index version by its id, or the beginning of it; None is the promoted one.

        Raises:
            NotFoundError: there is no such version, or none is promoted.
            FormatError: it is damaged, or of an earlier release.
        """
        return Version.open(lifecycle.find_version(self.home.versions, id))

    def truth(self, name: str | None = None) -> Truth:
        """Open a ground truth by name or id; None is the newest.

        Raises:
            NotFoundError: there is no such ground truth.
            FormatError: it is damaged.
        """
        return find_truth(self.home.truths, name)

    def similar(self, artist: str | Sequence[str], k: int = 10, *, uncorrected: bool = False) -> Frame:
        """List the artists most similar to an artist, as the service answers GET /v1/artists/{artist}/similar.

        The current version answers, with the changes made since and the editorial rules.

        Args:
            artist: id, mbid or whole name; or a list of them, each of which gets a list of its own.
            k: maximum length of a list, 1 to 200.
            uncorrected: whether scores are cosines, without the corrections of the model.

        Returns:
            Rows in the order of the artists and ranks: query_id, rank from 1, artist_id, name, mbid, score, modalities
            (joined by "+"), pinned (by a rule).

        Raises:
            NotFoundError: there is no such artist, or no version is promoted.
            InputError: several artists have the mbid or the name, or k is out of range.
            NothingKnownError: the version has no input of an artist.
        """
        artists = [artist] if isinstance(artist, str) else artist
        rows = similar_rows(self._current.read(), artists, k, uncorrected=uncorrected)
        return rows_to_frame(rows, SIMILAR, self.backend)

    def query(self, **query: Any) -> Frame:
        """List the artists most similar to a mixed query, as the service answers POST /v1/similar.

        Args:
            **query: fields of `riyl.app.schemas.query.SimilarRequest` but explain: seeds, avoid, tags, vectors, plays,
                k, filters, exclude, diversity, popularity, min_score, uncorrected. Seeds and avoid may be ids, mbids or
                whole names, in a list, or with their weights in a dict.

        Returns:
            The columns of `similar`, without query_id.

        Raises:
            NotFoundError: there is no such artist, or no version is promoted.
            InputError: a keyword or a value is invalid, or several artists have an mbid or a name.
            NothingKnownError: nothing is known of the query.
            MismatchError: the model does not accept the described inputs.

        Example:
            >>> catalog.query(seeds={"Nupramer Jorira": 2}, tags={"shoegaze": 1}, k=5, popularity=-0.5)
        """
        return rows_to_frame(query_rows(self._current.read(), query), ANSWERS, self.backend)

    @with_fields_of(Question)
    def evaluate(
        self,
        systems: Sequence[str] | str | None = None,
        *,
        store: bool = False,
        progress: Progress = silent,
        **parameters: Any,
    ) -> Evaluation:
        """Measure how well systems find similar artists, as `riyl evaluate` does.

        Args:
            systems: models and baselines by name or id, ["all"], or None; see
                `riyl.app.evaluations.question.Question`.
            store: whether the evaluation is stored in the home, where `/evaluations` and `riyl evaluations` have it.
            progress: called with the progress of each step.
            **parameters: the other fields of `Question`, with its defaults. A value of embeddings may also be arrays:
                (ids, matrix), or (ids, {modality: matrix}), where row i is the artist ids[i]. They are stored in the
                home, so that the command in the report measures the same again.

        Returns:
            The figures.

        Raises:
            NotFoundError: there is no such ground truth, system, version or snapshot.
            InputError: a keyword is unknown, or a value is invalid.
            MismatchError: a model does not fit the snapshot; the message says what to run.

        Example:
            >>> catalog.evaluate(["default", "pca"], truth="similar", conditions=["fmc", "groups"]).groups
            >>> catalog.evaluate("default", embeddings={"gnn": (ids, matrix)}).results
        """
        given = {"systems": systems, **parameters}
        if isinstance(embeddings := given.get("embeddings"), Mapping):
            given["embeddings"] = stored_arrays(self.home, embeddings)
        question = build("evaluate", Question, given)
        evaluated = run_evaluation(
            self.home, question, threads=self._settings.threads or os.cpu_count() or 1, progress=progress
        )
        identity = secrets.token_hex(16) if store else None
        if identity is not None:
            store_evaluation(
                self.home,
                self._database,
                identity,
                asdict(question),
                by="python",
                figures=evaluated.figures,
                queries=evaluated.queries,
                expected=evaluated.expected,
                report=evaluated.report,
            )
        return Evaluation(evaluated, self.backend, identity)

    @cached_property
    def _database(self) -> Database:
        return Database.of(self._settings)
