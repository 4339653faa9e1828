"""A naive search among all artists; a version under changes must give the same scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from riyl.core.changes.effective import EffectiveChanges
from riyl.core.types import ArtistId
from riyl.index.artifact.version import Version
from riyl.index.build.fit_scoring import patterns_of
from riyl.index.encoding.embed import embed
from riyl.index.scoring.balance import Thresholds
from tests.index.overlay.world import World
from tests.index.scoring.naive import interpolated


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
        thresholds = version.scoring.thresholds or Thresholds(*[np.empty(0)] * 3)
        scores, less, equal, others = [], 0, 1, 1
        margins: list[list[float]] = [[] for _ in settings.balanced]
        position = np.cumsum(version.has_embedding) - 1  # among the artists with an embedding
        for row, other in enumerate(version.artist_ids):
            if other == artist:
                continue
            others += 1
            less += int(version.listeners[row] < self.listeners[artist])
            equal += int(version.listeners[row] == self.listeners[artist])
            if version.has_embedding[row]:
                cosine = float(version.embeddings[row].astype(float) @ self.vector[artist])
                scores.append(cosine + self.c.get((patterns[version.patterns[row]], self.pattern[artist]), 0.0))
                for i, of_depth in enumerate(margins):
                    of_depth.append(scores[-1] - float(thresholds.values[i, position[row]]))
        mean = float(np.mean(sorted(scores)[-settings.neighbours :]))
        h = settings.hubness * mean - settings.popularity * (2 * (less + equal / 2) / others - 1)
        for i, depth in enumerate(sorted(settings.balanced)):
            bias = max(self._balanced(version, artist, depth, margins[i]), float(thresholds.lowest[i]))
            h += settings.balanced[depth] * bias
        return h

    def _balanced(self, version: Version, artist: ArtistId, depth: int, margins: list[float]) -> float:
        """Compute the bias balanced at a depth: the t-th largest of the scores minus thresholds."""
        exponent, known = version.scoring.settings.target_exponent, np.flatnonzero(version.has_embedding)
        targets = [(1 + int(version.listeners[row])) ** exponent for row in known]
        share = min(depth, len(known) // 2) * len(known) / sum(targets)  # a list is at most half of the artists
        t = (1 + self.listeners[artist]) ** exponent * share
        return interpolated(margins, min(max(t, 1), len(margins)))

    def scores(self, artist: ArtistId) -> dict[ArtistId, float]:
        """Compute the scores of all other artists for this one."""
        return {
            other: float(self.vector[artist] @ self.vector[other])
            - self.h[other]
            + self.c.get((self.pattern[artist], self.pattern[other]), 0.0)
            for other in self.known
            if other != artist
        }
