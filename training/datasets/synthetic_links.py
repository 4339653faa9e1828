"""Similar lists of the synthetic world, as by an editor: near artists, not exactly the nearest, often famous."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from riyl.training.datasets.synthetic_world import World

Pairs = NDArray[np.int64]

MAX_RANK = 20

_EDITOR_NOISE = 0.12
"""Standard deviation of the noise that the editor adds to the logarithm of a distance."""

_FAME_PULL = 0.5
"""Difference in the logarithm of the distance by which the most famous artist seems nearer than the least famous."""

_SURPRISES = 0.2
"""Links across subgenres, as a share of the listed artists."""

_BLOCK_DISTANCES = 1 << 22


def draw_links(world: World, seed: np.random.SeedSequence) -> Iterator[Pairs]:
    """Yield blocks of (p, 2) int64 pairs of listed artists, the lower row first, each pair once over all blocks.

    There is one block for each subgenre: an editor of that field picks 1 to MAX_RANK artists for each. A last block
    links a few artists with a famous one of another subgenre. Distances in memory are those of a slice of a subgenre.
    """
    seeds = seed.spawn(world.tree.subs + 1)
    listed = np.flatnonzero(world.listed)
    sub = world.tree.sub_of_leaf[world.leaf[listed]]
    by_sub = listed[np.argsort(sub, kind="stable")]
    ends = np.cumsum(np.bincount(sub, minlength=world.tree.subs))
    for members, child in zip(np.split(by_sub, ends[:-1]), seeds, strict=False):
        yield _once(_picks(world, members, np.random.default_rng(child)), world.artists)
    yield _once(_surprises(world, listed, np.random.default_rng(seeds[-1])), world.artists)


def _picks(world: World, members: NDArray[np.int64], rng: np.random.Generator) -> Pairs:
    """Return the editor's picks for each of the members, among the members, (p, 2)."""
    m = len(members)
    width = min(MAX_RANK, m - 1)
    if width < 1:
        return np.empty((0, 2), np.int64)
    lengths = np.minimum(1 + rng.poisson(2.0 + 5.0 * world.reputation(members)), width)
    places = world.places(members)
    squares = np.einsum("ij,ij->i", places, places)
    pull = (_FAME_PULL * world.fame(members)).astype(np.float32)
    blocks = []
    step = max(1, _BLOCK_DISTANCES // m)
    for start in range(0, m, step):
        rows = np.arange(start, min(start + step, m))
        distances = squares[rows, None] + squares - 2.0 * (places[rows] @ places.T)
        seen = 0.5 * np.log(np.maximum(distances, 1e-6)) - pull
        seen += np.float32(_EDITOR_NOISE) * rng.standard_normal(seen.shape, np.float32)
        seen[np.arange(len(rows)), rows] = np.inf
        nearest = np.argpartition(seen, width - 1, axis=1)[:, :width]
        order = np.argsort(np.take_along_axis(seen, nearest, axis=1), axis=1)
        within_length = np.arange(width) < lengths[rows, None]
        picked = np.take_along_axis(nearest, order, axis=1)[within_length]
        blocks.append(np.stack([np.repeat(rows, lengths[rows]), picked], axis=1))
    picks: Pairs = members[np.concatenate(blocks)]
    return picks


def _surprises(world: World, listed: NDArray[np.int64], rng: np.random.Generator) -> Pairs:
    """Draw links between subgenres, (p, 2), one end by fame."""
    count = round(_SURPRISES * len(listed))
    famous = listed[np.argsort(world.rank[listed])]
    left = rng.choice(listed, count)
    right = famous[(len(listed) * rng.random(count) ** 2).astype(np.int64)]
    sub = world.tree.sub_of_leaf[world.leaf]
    apart = sub[left] != sub[right]
    return np.stack([left[apart], right[apart]], axis=1)


def _once(pairs: Pairs, n: int) -> Pairs:
    """Return each undirected pair once, ascending."""
    keys = np.unique(pairs.min(axis=1) * n + pairs.max(axis=1)) if len(pairs) else np.empty(0, np.int64)
    return np.stack([keys // n, keys % n], axis=1)
