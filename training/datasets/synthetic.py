"""The `synthetic` catalog: a small structured world of 100 to 1 million artists, generated from a seed.

Every modality is a different view of the same latent positions. Tags describe the genre and some moods, in more detail
for the popular half; listeners follow the genre and a crowd within it; tracks are a noisy nonlinear view of everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.types import Matrix, Progress, silent
from riyl.training.datasets.synthetic_links import draw_links
from riyl.training.datasets.synthetic_names import (
    MOOD_AXES,
    NO_MBID_SHARE,
    TagWords,
    artist_names,
    genre_names,
    numbered,
    tag_words,
    uuids,
)
from riyl.training.datasets.synthetic_world import DIMS, World, draw_world

MIN_ARTISTS = 100
MAX_ARTISTS = 1_000_000
AUDIO_DIMS = 48
MAX_TRACKS = 8

_CHUNK_ARTISTS = 1 << 14

_NO_YEAR_SHARE = 0.1

_ZIPF = 0.9
_LISTENERS = 2.0
_MAX_LISTENERS_SHARE = 0.25
"""Listeners of the artist with popularity rank r of n: about _LISTENERS * (n / r) ** _ZIPF, at most this share."""

_LISTENER_SHARES = (0.45, 0.2, 0.12, 0.23)
_LISTENER_PLAYS = np.array([20.0, 8.0, 4.0, 2.0])
"""Listeners whose home is the artist's leaf, its subgenre, its top genre, or anywhere: shares, and mean plays."""

_CROWD_WIDTH = 0.18

_TAG_SHARES = (0.3, 0.17, 0.12, 0.08, 0.17, 0.08, 0.04, 0.04)
_TAG_WEIGHTS = np.array([12.0, 8.0, 10.0, 3.0, 5.0, 5.0, 0.5, 1.0])
"""Tags of own leaf, subgenre, top genre, sibling leaf, mood, general, rare, any leaf: shares, and mean weights."""

_SPELLING_SHARES = (0.62, 0.12, 0.08, 0.18)
_MAX_TAGS = 40
_ARTISTS_A_RARE_TAG = 25

_HIDDEN = 96
_NUISANCES = 6
_NUISANCE_SPREAD = 2.0
_ARTIST_NOISE = 1.3
_TRACK_NOISE = 1.2
"""Standard deviations of a sound's distance from the artist's position, in latent units: per artist, and per track."""


@dataclass(frozen=True)
class _Chunk:
    """A slice of the artists, by rows, and its random generator."""

    rows: NDArray[np.int64]
    rng: np.random.Generator


def generate(out: Path, *, artists: int = 5000, seed: int = 0, progress: Progress = silent) -> None:
    """Write artists, tags, plays, audio and similar as Parquet files into the existing, empty folder `out`.

    Exactly 87 % of the artists have plays and 62 % have tags, unpopular ones less often; all have audio. Memory use is
    a few hundred bytes an artist plus one chunk. The same size and seed give the same bytes on the same machine with
    the same versions of numpy and pyarrow.

    Args:
        out: folder to fill.
        artists: number of artists, 100 to 1,000,000.
        seed: 0 or above.
        progress: called for each table with the chunks written and their total.

    Raises:
        InputError: `artists` or `seed` is out of range.
    """
    if not MIN_ARTISTS <= artists <= MAX_ARTISTS:
        raise InputError(f"synthetic: found {artists} artists; wanted {MIN_ARTISTS} to {MAX_ARTISTS}")
    if seed < 0:
        raise InputError(f"synthetic: found seed {seed}; wanted 0 or above")
    of_world, of_words, of_artists, of_tags, of_plays, of_audio, of_links = np.random.SeedSequence(seed).spawn(7)
    world = draw_world(artists, of_world)
    words = tag_words(
        np.random.default_rng(of_words), world.tree, max(3, artists // (_ARTISTS_A_RARE_TAG * world.tree.leaves))
    )
    chunks = -(-artists // _CHUNK_ARTISTS)
    tables = {
        "artists": (chunks, (_artists(world, c) for c in _chunks(artists, of_artists))),
        "tags": (chunks, (_tags(world, words, c) for c in _chunks(artists, of_tags))),
        "plays": (chunks, (_plays(world, c) for c in _chunks(artists, of_plays))),
        "audio": (chunks, _audio(world, of_audio)),
        "similar": (world.tree.subs + 1, _similar(world, of_links)),
    }
    for name, (count, parts) in tables.items():
        _write(out / f"{name}.parquet", parts, count, progress)


def _chunks(artists: int, seed: np.random.SeedSequence) -> Iterator[_Chunk]:
    """Yield the artists in slices of about equal size, none larger than _CHUNK_ARTISTS."""
    slices = np.array_split(np.arange(artists), -(-artists // _CHUNK_ARTISTS))
    for rows, child in zip(slices, seed.spawn(len(slices)), strict=True):
        yield _Chunk(rows, np.random.default_rng(child))


def _write(path: Path, parts: Iterable[pa.Table], count: int, progress: Progress) -> None:
    """Write `count` parts of a table, one after the other, into a Parquet file."""
    writer: pyarrow.parquet.ParquetWriter | None = None
    try:
        for done, part in enumerate(parts, start=1):
            if writer is None:
                texts = [field.name for field in part.schema if pa.types.is_string(field.type)]
                writer = pyarrow.parquet.ParquetWriter(path, part.schema, compression="zstd", use_dictionary=texts)
            writer.write_table(part)
            progress(path.stem, done, count)
    finally:
        if writer is not None:
            writer.close()


def _artists(world: World, chunk: _Chunk) -> pa.Table:
    rows, rng = chunk.rows, chunk.rng
    names, aliases = artist_names(rng, len(rows))
    genres = pa.array(genre_names(world.tree))
    formed = np.clip(np.rint(rng.normal(world.tree.era[world.leaf[rows]], 6.0)), 1930, 2024).astype(np.int64)
    return pa.table(
        {
            "artist_id": numbered("a", rows),
            "name": names,
            "mbid": pc.if_else(rng.random(len(rows)) < NO_MBID_SHARE, None, uuids(rng, len(rows))),
            "aliases": aliases,
            "genre": genres.take(pa.array(world.tree.top_of_leaf()[world.leaf[rows]])),
            "formed": pa.array(formed, mask=rng.random(len(rows)) < _NO_YEAR_SHARE),
        }
    )


def _tags(world: World, words: TagWords, chunk: _Chunk) -> pa.Table:
    rng, rows = chunk.rng, chunk.rows[world.has_tags[chunk.rows]]
    fame = world.fame(rows)
    counts = np.minimum(1 + rng.poisson(2.0 + 4.0 * world.reputation(rows) + 12.0 * fame), _MAX_TAGS)
    owner = np.repeat(np.arange(len(rows)), counts)
    kind = rng.choice(len(_TAG_SHARES), len(owner), p=_TAG_SHARES)
    codes = np.choose(kind, _tag_codes(world, words, rows[owner], rng))
    weights = 1 + rng.poisson(_TAG_WEIGHTS[kind] * (0.5 + 1.5 * fame[owner]))
    keys, position = np.unique(owner * len(words.texts) + codes, return_inverse=True)
    return pa.table(
        {
            "artist_id": numbered("a", rows[keys // len(words.texts)]),
            "tag": words.texts.take(pa.array(keys % len(words.texts))),
            "weight": np.bincount(position, weights).astype(np.int64),
        }
    )


def _tag_codes(
    world: World, words: TagWords, rows: NDArray[np.int64], rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Draw a tag of each kind for each of (m,) rows, in the order of _TAG_SHARES, as 8 arrays of (m,) codes."""
    tree, m = world.tree, len(rows)
    leaf = world.leaf[rows]
    sub = tree.sub_of_leaf[leaf]
    spelling = rng.choice(len(_SPELLING_SHARES), m, p=_SPELLING_SHARES)
    moods = world.moods(rows, MOOD_AXES)
    axis = np.argmax(np.abs(moods) * rng.random(moods.shape), axis=1)
    pole = moods[np.arange(m), axis] + 0.4 * rng.standard_normal(m) > 0
    return [
        words.genres[leaf, spelling],
        words.genres[tree.leaves + sub, spelling],
        words.genres[tree.leaves + tree.subs + tree.top_of_sub[sub], spelling],
        words.genres[tree.random_leaf(rng, tree.sub_of_leaf, sub), spelling],
        words.moods[axis, pole.astype(np.int64), rng.integers(0, 2, m)],
        words.general[rng.integers(0, len(words.general), m)],
        words.rare[leaf, rng.integers(0, words.rare.shape[1], m)],
        words.genres[rng.integers(0, tree.leaves, m), spelling],
    ]


def _plays(world: World, chunk: _Chunk) -> pa.Table:
    rng, rows = chunk.rng, chunk.rows[world.has_cf[chunk.rows]]
    users = len(world.listeners.drive)
    mean = _LISTENERS * (world.artists / world.rank[rows]) ** _ZIPF
    counts = 1 + rng.poisson(np.minimum(mean, _MAX_LISTENERS_SHARE * users))
    owner = np.repeat(np.arange(len(rows)), counts)
    kind = rng.choice(len(_LISTENER_SHARES), len(owner), p=_LISTENER_SHARES)
    keys, drawn = np.unique(owner * users + _draw_users(world, rows[owner], kind, rng), return_index=True)
    user = keys % users
    mean_plays = _LISTENER_PLAYS[kind[drawn]] * world.listeners.drive[user]
    return pa.table(
        {
            "user_id": numbered("u", user),
            "artist_id": numbered("a", rows[keys // users]),
            "count": 1 + rng.poisson(mean_plays),
        }
    )


def _draw_users(
    world: World, rows: NDArray[np.int64], kind: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw (m,) one listener for each row; `kind` determines how near its home is to the artist's leaf."""
    tree, listeners, m = world.tree, world.listeners, len(rows)
    leaf = world.leaf[rows]
    sub = tree.sub_of_leaf[leaf]
    home = np.choose(
        kind,
        [
            leaf,
            tree.random_leaf(rng, tree.sub_of_leaf, sub),
            tree.random_leaf(rng, tree.top_of_leaf(), tree.top_of_sub[sub]),
            leaf,
        ],
    )
    start, end = listeners.starts[home], listeners.starts[home + 1]
    anywhere = (kind == len(_LISTENER_SHARES) - 1) | (start == end)
    crowd = world.crowd(rows) + _CROWD_WIDTH * rng.standard_normal(m)
    within = 1.0 - np.abs(1.0 - np.abs(crowd))
    at = start + (np.clip(within, 0.0, np.nextafter(1.0, 0.0)) * (end - start)).astype(np.int64)
    return listeners.tickets[np.where(anywhere, rng.integers(0, len(listeners.tickets), m), at)]


def _audio(world: World, seed: np.random.SeedSequence) -> Iterator[pa.Table]:
    of_view, of_tracks = seed.spawn(2)
    rng = np.random.default_rng(of_view)
    view = rng.standard_normal((DIMS + _NUISANCES, _HIDDEN), np.float32) / np.float32(np.sqrt(DIMS))
    onto = rng.standard_normal((_HIDDEN, AUDIO_DIMS), np.float32) / np.float32(np.sqrt(_HIDDEN))
    tracks = 0
    for chunk in _chunks(world.artists, of_tracks):
        owner, vectors = _sounds(world, view, onto, chunk)
        yield pa.table(
            {
                "artist_id": numbered("a", chunk.rows[owner]),
                "track_id": numbered("t", np.arange(tracks, tracks + len(owner))),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), AUDIO_DIMS),
            }
        )
        tracks += len(owner)


def _sounds(world: World, view: Matrix, onto: Matrix, chunk: _Chunk) -> tuple[NDArray[np.int64], Matrix]:
    """Draw tracks: (t,) the artist of each track, by position in the chunk, and (t, AUDIO_DIMS) float32 its sound.

    A track is tanh([position + noise of the artist + noise of the track, nuisances] view) onto; nuisances, such as the
    way of recording, carry no information about the artist.
    """
    rows, rng = chunk.rows, chunk.rng
    counts = np.minimum(1 + rng.poisson(0.5 + 1.5 * world.reputation(rows) + 3.0 * world.fame(rows)), MAX_TRACKS)
    owner = np.repeat(np.arange(len(rows)), counts)
    heard = world.places(rows) + np.float32(_ARTIST_NOISE) * rng.standard_normal((len(rows), DIMS), np.float32)
    noise = rng.standard_normal((len(owner), DIMS + _NUISANCES), np.float32)
    noise[:, :DIMS] = np.float32(_TRACK_NOISE) * noise[:, :DIMS] + heard[owner]
    noise[:, DIMS:] *= np.float32(_NUISANCE_SPREAD)
    vectors: Matrix = np.tanh(noise @ view) @ onto
    return owner, vectors


def _similar(world: World, seed: np.random.SeedSequence) -> Iterator[pa.Table]:
    for pairs in draw_links(world, seed):
        yield pa.table({"artist_id": numbered("a", pairs[:, 0]), "similar_id": numbered("a", pairs[:, 1])})
