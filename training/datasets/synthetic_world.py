"""The world behind the synthetic tables: a genre tree, artists with a latent position and popularity, and listeners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from riyl.core.types import Mask, Matrix

DIMS = 16
CF_SHARE = 0.87
TAGS_SHARE = 0.62
LISTED_SHARE = 0.5
"""Shares of the artists that have listeners, tags, and a similar list of their own."""

_DEPTH_SPREAD = (1.0, 0.7, 0.5)
"""Standard deviation of a top genre, a subgenre within it and a leaf within that, in every latent dimension."""

_ARTIST_SPREAD = np.array([1.2, 0.9, 0.9, 0.7, 0.7, 0.7, *[0.45] * (DIMS - 6)], np.float32)
"""Standard deviation of an artist within its leaf. Crowds follow dimension 0, moods 1 to 5; all others only affect
audio."""

_CF_SLOPE = 2.0
_TAGS_SLOPE = 2.5
_LISTED_SLOPE = 3.0
"""Difference of log-odds between the most and the least popular artist to have it, before the share is fixed."""


@dataclass(frozen=True)
class Tree:
    """Three levels of genres. The children of a node have consecutive numbers.

    Attributes:
        sub_of_leaf: (leaves,) int64, ascending.
        top_of_sub: (subgenres,) int64, ascending.
        places: (leaves, DIMS) float32, position of a leaf: the sum of the offsets on the path down to it.
        era: (leaves,) float64, the year around which its artists formed.
        shares: (leaves,) float64, sum 1: a leaf's share of all artists.
    """

    sub_of_leaf: NDArray[np.int64]
    top_of_sub: NDArray[np.int64]
    places: Matrix
    era: NDArray[np.float64]
    shares: NDArray[np.float64]

    @property
    def leaves(self) -> int:
        return len(self.sub_of_leaf)

    @property
    def subs(self) -> int:
        return len(self.top_of_sub)

    @property
    def tops(self) -> int:
        return int(self.top_of_sub[-1]) + 1

    def top_of_leaf(self) -> NDArray[np.int64]:
        return self.top_of_sub[self.sub_of_leaf]

    def random_leaf(
        self, rng: np.random.Generator, parent: NDArray[np.int64], child: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Draw a random leaf below each of the nodes `child`; `parent` is each leaf's node on that level, ascending."""
        first, end = np.searchsorted(parent, child), np.searchsorted(parent, child, side="right")
        return rng.integers(first, end)


@dataclass(frozen=True)
class Listeners:
    """The listeners. A listener holds tickets, each for one of its home leaves; with more tickets it plays more.

    Attributes:
        tickets: (t,) int64, the listener of each ticket, by leaf and within the leaf by crowd.
        starts: (leaves + 1,) int64, the first ticket of each leaf.
        drive: (u,) float32, factor of each listener's play counts.
    """

    tickets: NDArray[np.int64]
    starts: NDArray[np.int64]
    drive: NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """The n artists and all that the tables are made from.

    Attributes:
        tree: the genres.
        leaf: (n,) int64, the leaf of each artist.
        offsets: (n, DIMS) float32, the artist's position relative to its leaf.
        rank: (n,) int64, 1 for the most popular.
        has_cf: (n,) bool, true for artists with listeners.
        has_tags: (n,) bool, true for artists with tags.
        listed: (n,) bool, true for artists with a similar list.
        listeners: the listeners.
    """

    tree: Tree
    leaf: NDArray[np.int64]
    offsets: Matrix
    rank: NDArray[np.int64]
    has_cf: Mask
    has_tags: Mask
    listed: Mask
    listeners: Listeners

    @property
    def artists(self) -> int:
        return len(self.leaf)

    def places(self, rows: NDArray[np.int64]) -> Matrix:
        """Return the latent positions of some artists, (m, DIMS) float32."""
        return self.tree.places[self.leaf[rows]] + self.offsets[rows]

    def reputation(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share of all artists that are less popular, (m,); 0 for the least popular."""
        return 1.0 - self.rank[rows] / self.artists

    def fame(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the fame of some artists, (m,): 1 for the most popular, 0 for the least, by logarithm of the rank."""
        fame: NDArray[np.float64] = 1.0 - np.log(self.rank[rows]) / np.log(self.artists)
        return fame

    def crowd(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the part of a leaf's listeners that an artist appeals to, (m,), uniform in 0..1."""
        return np.asarray(ndtr(self.offsets[rows, 0].astype(np.float64) / _ARTIST_SPREAD[0]), np.float64)

    def moods(self, rows: NDArray[np.int64], axes: int) -> Matrix:
        """Return the position of an artist between the poles of each mood, (m, axes) float32, standard normal."""
        scaled: Matrix = self.offsets[rows, 1 : axes + 1] / _ARTIST_SPREAD[1 : axes + 1]
        return scaled


def draw_world(artists: int, seed: np.random.SeedSequence) -> World:
    """Draw a world of `artists` artists, about sqrt(artists) leaves and artists / 2 listeners."""
    rng = np.random.default_rng(seed)
    tree = _draw_tree(rng, artists)
    leaf = rng.choice(tree.leaves, artists, p=tree.shares)
    offsets = rng.standard_normal((artists, DIMS), np.float32) * _ARTIST_SPREAD
    rank = rng.permutation(artists) + 1
    reputation = 1.0 - rank / artists
    return World(
        tree,
        leaf,
        offsets,
        rank,
        has_cf=_likelier(rng, _CF_SLOPE * reputation, CF_SHARE),
        has_tags=_likelier(rng, _TAGS_SLOPE * reputation, TAGS_SHARE),
        listed=_likelier(rng, _LISTED_SLOPE * reputation, LISTED_SHARE),
        listeners=_draw_listeners(rng, tree, max(50, artists // 2)),
    )


def _draw_tree(rng: np.random.Generator, artists: int) -> Tree:
    leaves = round(np.sqrt(artists))
    subs = max(4, round(leaves / 5))
    tops = min(12, max(2, round(subs / 3)))
    sub_of_leaf, top_of_sub = np.arange(leaves) * subs // leaves, np.arange(subs) * tops // subs
    top_at, sub_at, leaf_at = (
        spread * rng.standard_normal((count, DIMS), np.float32)
        for spread, count in zip(_DEPTH_SPREAD, (tops, subs, leaves), strict=True)
    )
    sizes = rng.lognormal(0.0, 0.6, leaves)
    return Tree(
        sub_of_leaf,
        top_of_sub,
        places=leaf_at + sub_at[sub_of_leaf] + top_at[top_of_sub[sub_of_leaf]],
        era=rng.uniform(1955.0, 2015.0, leaves),
        shares=sizes / sizes.sum(),
    )


def _likelier(rng: np.random.Generator, log_odds: NDArray[np.float64], share: float) -> Mask:
    """Draw exactly round(share * n) of n, without replacement; those with higher log-odds are likelier."""
    n = len(log_odds)
    chosen = np.zeros(n, np.bool_)
    keep = round(share * n)
    chosen[np.argpartition(-(log_odds + rng.logistic(size=n)), keep - 1)[:keep]] = True
    return chosen


def _draw_listeners(rng: np.random.Generator, tree: Tree, users: int) -> Listeners:
    homes = rng.choice(tree.leaves, (users, 3), p=tree.shares)
    crowd = rng.random(users)
    held = np.minimum(1 + rng.geometric(0.4, users), 12)
    tickets = np.repeat(np.arange(users), held)
    leaf = homes[tickets, rng.choice(3, len(tickets), p=(0.6, 0.25, 0.15))]
    order = np.lexsort((crowd[tickets], leaf))
    starts = np.searchsorted(leaf[order], np.arange(tree.leaves + 1))
    return Listeners(tickets[order], starts, rng.lognormal(0.0, 0.8, users).astype(np.float32))
