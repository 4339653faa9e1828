"""A naive search among all artists; a version under changes must give the same scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.types import ArtistId
from riyl.index.artifact.version import Version
from riyl.index.build.fit_scoring import patterns_of
from riyl.index.encoding.embed import embed
from tests.index.overlay.world import World


class Naive:
    """Scores among all artists, computed one by one: vectors by a re-index, h of live artists by its definition."""

    def __init__(self, world: World, effective: Mapping[ArtistId, EffectiveChanges]) -> None:
        after, version = world.reindexed(effective), world.version
        embedding = embed(world.model, after)
        sets, of = patterns_of(after)
        self.ids = after.artist_ids
        self.vector = dict(zip(self.ids, embedding.vectors.astype(float), strict=True))
        self.known = {a for a, covered in zip(self.ids, embedding.covered, strict=True) if covered}
        self.pattern = {a: sets[p] for a, p in zip(self.ids, of.tolist(), strict=True)}
        self.listeners = dict(zip(self.ids, after.listeners.tolist(), strict=True))
        self.c = {
            (p, q): float(version.scoring.c[i, j])
            for i, p in enumerate(version.patterns_of_modalities)
            for j, q in enumerate(version.patterns_of_modalities)
        }
        row_of_id = dict(zip(version.artist_ids, range(version.n_artists), strict=True))
        self.h = {}
        for a in self.known:
            if a in row_of_id and a not in effective:
                self.h[a] = float(version.scoring.h[row_of_id[a]])
            else:
                self.h[a] = self._h(version, a)

    def _h(self, version: Version, artist: ArtistId) -> float:
        settings, patterns = version.scoring.settings, version.patterns_of_modalities
        scores, less, equal, others = [], 0, 1, 1
        for row, other in enumerate(version.artist_ids):
            if other == artist:
                continue
            others += 1
            less += int(version.listeners[row] < self.listeners[artist])
            equal += int(version.listeners[row] == self.listeners[artist])
            if version.has_embedding[row]:
                cosine = float(version.embeddings[row].astype(float) @ self.vector[artist])
                scores.append(cosine + self.c.get((patterns[version.patterns[row]], self.pattern[artist]), 0.0))
        mean = float(np.mean(sorted(scores)[-settings.neighbours :]))
        return settings.hubness * mean - settings.popularity * (2 * (less + equal / 2) / others - 1)

    def scores(self, artist: ArtistId) -> dict[ArtistId, float]:
        """Compute the scores of all other artists for this one."""
        return {
            other: float(self.vector[artist] @ self.vector[other])
            - self.h[other]
            + self.c.get((self.pattern[artist], self.pattern[other]), 0.0)
            for other in self.known
            if other != artist
        }
