"""Matching of two catalogs: which artists of B are artists of A.

An artist of B is an artist of A if both have the same MusicBrainz id; or else if both have the same name, no other
artist of A or of B has that name, and their MusicBrainz ids do not differ. Names are the same by `same`, or, where that
fits no artist of A, by `spellings` (`riyl.core.catalog.name_forms`). "The Beatles" and "Beatles" are two names, and
aliases are not compared: a duplicated artist does less harm than two artists merged into one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riyl.core.catalog.name_forms import same, spellings
from riyl.core.catalog.notes import Notes

PREFIX = "b:"
"""Prefix of an id of B that A uses for another artist or listener."""

LEVELS: Sequence[Callable[[str], Collection[str]]] = (lambda name: [same(name)], spellings)
"""Forms of a name by which artists are compared, the strictest first; artists that share a form have the same name."""


@dataclass(frozen=True)
class Match:
    """Artists of B that are artists of A.

    Attributes:
        rows: (n_b,) the row in A of each artist of B, -1 if A lacks it.
        ids: new id by old id, for the artists of B whose id changes.
    """

    rows: NDArray[np.int64]
    ids: Mapping[str, str]


def match_artists(a: pa.Table, b: pa.Table, notes: Notes) -> Match:
    """Match the artists of `b` with those of `a`, both as `Tables.artists` returns them."""
    ids_a, ids_b = a.column("artist_id").to_pylist(), b.column("artist_id").to_pylist()
    mbids_a, mbids_b = (_mbids(t) for t in (a, b))
    rows = np.full(len(ids_b), -1, np.int64)
    rows_a, rows_b = _rows_by_key(mbids_a), _rows_by_key(mbids_b)
    for row, mbid in enumerate(mbids_b):
        of_a, of_b = _having(rows_a, mbid), _having(rows_b, mbid)
        if len(of_a) == len(of_b) == 1:
            rows[row] = of_a.pop()
        elif of_a:
            _note_ambiguous(notes, "MusicBrainz id", f"{ids_b[row]}: {mbid[0]}", of_a, of_b)
    notes.add("artists matched by MusicBrainz id", count=int((rows >= 0).sum()))
    names_a, names_b = (t.column("name").to_pylist() for t in (a, b))
    by_mbid, undecided = set(rows[rows >= 0].tolist()), np.flatnonzero(rows < 0).tolist()
    for forms in LEVELS:
        forms_a, forms_b = ([forms(name) for name in names] for names in (names_a, names_b))
        rows_a, rows_b = _rows_by_key(forms_a), _rows_by_key(forms_b)
        unlike = []
        for row in undecided:
            fitting = _having(rows_a, forms_b[row])
            shared = {*forms_b[row], *(form for candidate in fitting for form in forms_a[candidate])}
            of_a, of_b = _having(rows_a, shared), _having(rows_b, shared)
            example = f"{ids_b[row]}: {names_b[row]}"
            if not fitting:
                unlike.append(row)
            elif len(of_a) + len(of_b) > 2:
                _note_ambiguous(notes, "name", example, of_a, of_b)
            else:
                (candidate,) = fitting
                if candidate in by_mbid or len({*mbids_a[candidate], *mbids_b[row]}) > 1:
                    notes.add("artists of B not matched by name: A's artist of that name is a different one", example)
                else:
                    rows[row] = candidate
        undecided = unlike
    notes.add("artists matched by name", count=int((rows >= 0).sum()) - len(by_mbid))
    notes.add("artists of B added", count=int((rows < 0).sum()))
    ids = fresh_ids(ids_a, [i for i, row in zip(ids_b, rows, strict=True) if row < 0])
    notes.add(f"artists of B whose id A has for another artist; their id got the prefix {PREFIX!r}", count=len(ids))
    matched = {i: ids_a[row] for i, row in zip(ids_b, rows, strict=True) if row >= 0 and i != ids_a[row]}
    return Match(rows, {**ids, **matched})


def _mbids(artists: pa.Table) -> list[list[str]]:
    """Return the mbid of each artist, in lower case, in a list that is empty where it has none."""
    column = pc.utf8_lower(pc.utf8_trim_whitespace(artists.column("mbid")))
    return [[mbid] if mbid else [] for mbid in column.to_pylist()]


def _rows_by_key(keys: Iterable[Iterable[str]]) -> Mapping[str, list[int]]:
    """Collect the rows of each key, from the keys of each row."""
    rows: dict[str, list[int]] = {}
    for row, of_row in enumerate(keys):
        for key in of_row:
            rows.setdefault(key, []).append(row)
    return rows


def _having(rows: Mapping[str, list[int]], keys: Iterable[str]) -> set[int]:
    return {row for key in keys for row in rows.get(key, ())}


def _note_ambiguous(notes: Notes, what: str, artist: str, of_a: Collection[int], of_b: Collection[int]) -> None:
    notes.add(f"artists of B not matched by {what}: it is ambiguous", f"{artist} ({len(of_a)} in A, {len(of_b)} in B)")


def fresh_ids(taken: Iterable[str], ids: Iterable[str]) -> dict[str, str]:
    """Return new ids for those of `ids` that are taken: with PREFIX before them, repeated as often as needed."""
    used = set(taken)
    ids = list(ids)
    colliding = [i for i in ids if i in used]
    used.update(ids)
    new: dict[str, str] = {}
    for old in colliding:
        fresh = PREFIX + old
        while fresh in used:
            fresh = PREFIX + fresh
        used.add(fresh)
        new[old] = fresh
    return new
