"""Serving state: a version, the changes on it and the rules in force, one value that a request reads once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from threading import Lock

from riyl.core.changes.effective import EffectiveByArtist
from riyl.core.db.effective import ChangesSince, changed_since
from riyl.core.db.session import Database
from riyl.core.errors import FormatError, NotFoundError
from riyl.core.rules import Rules
from riyl.core.settings import Home
from riyl.core.types import ArtistId
from riyl.index.encoding.cold_start import ColdEncoder, cold_encoder
from riyl.index.overlay.encode import LiveArtistEncoder
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.overlay.update import OverlayUpdater
from riyl.index.search.rules import BoundRules
from riyl.index.search.searcher import Searcher
from riyl.index.search.vector_search import VectorSearch

log = logging.getLogger(__name__)

MAX_AT_ONCE = 125
"""Maximum number of changes that are applied at once while a version serves; they are shown before the next ones."""


@dataclass(frozen=True)
class RefusedVersion:
    """A promoted version that is not served.

    Attributes:
        version: its id; None where CURRENT or the copy of the rules cannot be read.
        reason: why it is not served.
    """

    version: str | None
    reason: str


class EncoderOpener:
    """Function that opens an encoder at the first call and returns the same one afterwards; a failed call is retried.

    Attributes:
        opened: the encoder; None until it is open.
    """

    def __init__(self, open_: Callable[[], ColdEncoder]) -> None:
        self.opened: ColdEncoder | None = None
        self._open = open_
        self._guard = Lock()

    def __call__(self) -> ColdEncoder:
        with self._guard:
            if self.opened is None:
                self.opened = self._open()
            return self.opened


@dataclass(frozen=True)
class ServingState:
    """A version and the changes on it, under rules; immutable: other changes or rules make another value.

    Attributes:
        rules: bound to the searcher's rows.
        vector_search: live search of the same version and changes.
        encoder: opens the encoder of artists that are not in the catalog; NotFoundError where it is not in the home.
    """

    searcher: Searcher
    rules: BoundRules
    vector_search: VectorSearch
    encoder: EncoderOpener

    @staticmethod
    def of(searcher: Searcher, rules: Rules, home: Home) -> ServingState:
        opened = partial(cold_encoder, home.models, home.snapshots, searcher.version)
        return ServingState(
            searcher, BoundRules.of(rules, searcher), VectorSearch(searcher.version), EncoderOpener(opened)
        )

    def file_changed(self) -> str | None:
        """Return how a file that responses depend on was changed since it was opened; None if no file was."""
        encoder = self.encoder.opened
        folders = [self.searcher.version, *([] if encoder is None else [encoder.model, encoder.snapshot])]
        return next((change for folder in folders if (change := folder.files.changed()) is not None), None)

    def under(self, rules: Rules) -> ServingState:
        """Return the same artists under other rules."""
        return replace(self, rules=BoundRules.of(rules, self.searcher))

    def changes(self, database: Database, number: int | None = None) -> ChangesSince:
        """Read the first `MAX_AT_ONCE` changes after a number.

        None reads all changes since the version was made, and all merges.

        Raises:
            DatabaseDownError: the database cannot be reached.
            StaleDatabaseError: it lacks records that its home has seen.
        """
        folded_in = int(self.searcher.manifest["last_change"])
        if number is None:
            return changed_since(database, folded_in, merged=True)
        return changed_since(database, number, at_most=MAX_AT_ONCE)

    def changed(self, effective: EffectiveByArtist, number: int) -> ServingState:
        """Return the version, as it was made, with these changes on it; see `OverlayUpdater`."""
        return self.with_changes(self.changing()(effective, number)) if effective else self

    def without(self, artists: Iterable[ArtistId], number: int) -> ServingState:
        """Return the same state without artists that changes up to that number delete or merge away."""
        return self.with_changes(self.searcher.overlay.without(list(artists), self.searcher.row_of_own, number))

    def with_changes(self, overlay: VersionOverlay) -> ServingState:
        """Return the same version with these changes on it, under the same rules."""
        searcher = self.searcher.under(overlay)
        return ServingState(
            searcher, BoundRules.of(self.rules.rules, searcher), self.vector_search.under(overlay), self.encoder
        )

    def changing(self) -> OverlayUpdater:
        """Return the updater that applies changes to the version.

        If the version's model or featurizer is not complete in this home, it applies only changes that need neither.
        """
        searcher = self.searcher
        try:
            encoder = self.encoder()
        except (NotFoundError, FormatError) as error:
            log.error("changes_not_encoded version=%s: %s", searcher.version_id, error)
            encoder = None
        return OverlayUpdater(
            searcher.version, LiveArtistEncoder(searcher.version, encoder), searcher.row_of_own, searcher.own_names
        )

    @cached_property
    def etag(self) -> str:
        """Entity tag of this state; a response depends besides only on its address.

        It consists of the version's id; the id of the rules, where there are any, so that the same rules give the same
        tag; and, where anything differs from the version, the number of the last change and of the last change of which
        only the deletions are in force.
        """
        overlay = self.searcher.overlay
        changed = f"c{overlay.number}" if overlay else ""
        if overlay.hidden_upto > overlay.number:
            changed += f"h{overlay.hidden_upto}"
        return f'"{"-".join(part for part in (self.searcher.version_id, self.rules.rules.id, changed) if part)}"'

    def not_modified(self, if_none_match: str, etag: str | None = None) -> bool:
        """Return whether a client with this If-None-Match has the response, with the tag `etag`, by default ours."""
        tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return "*" in tags or (etag or self.etag) in tags
