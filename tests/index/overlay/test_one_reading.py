"""Changes of artists, read for a re-index and for a serving version, against plain dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.changes.effective import ChangeKind, EffectiveChanges, after
from riyl.core.changes.fold import FoldedTables
from riyl.core.types import ArtistId
from riyl.index.encoding.cold_start import ColdEncoder
from riyl.index.encoding.embed import embed
from riyl.index.overlay.artists import LiveArtist
from riyl.index.overlay.encode import LiveArtistEncoder
from tests.conftest import write_tables
from tests.index.overlay.world import World

IDS = [f"a{number:03d}" for number in range(45)]
TYPES: dict[str, type] = {"country": str, "year": int, "share": float, "live": bool}
FORMS: dict[str, dict[str, int]] = {
    "terms": {"tags": 0, "plays": 0, "audio": 8},
    "vectors": {"tags": 5, "cf": 4, "audio": 8},
}
"""Tables and the widths of their vectors, by form of a catalog."""

COLUMNS = {"tags": ("tag", "weight"), "plays": ("user_id", "count")}
WORDS = {
    "tags": ["ska", " SKA", "Dub", "noise", "Drone", "bop", "unheard of"],
    "plays": ["u1", "U1", "u2", "u3", "u4", "nobody"],
}
ATTRIBUTES: dict[str, list[Any]] = {
    **{"country": ["SE", 7, None], "year": [2000, 1999.0, "1999", 1.5, True, None], "share": [1, 0.25, "half", None]},
    **{"live": [True, 1, None], "empty": ["no more", None], "new": ["x", None], "listeners": [5, None]},
}


def catalog_of(form: str) -> dict[ArtistId, dict[str, Any]]:
    """Return the values of the tables for each artist; tags in the form in which they are compared."""
    rng, catalog = np.random.default_rng(0), {}
    for number, artist in enumerate(IDS):
        catalog[artist] = {
            **{"name": f"Artist {number}", "mbid": f"m{number}" if number % 2 else None, "aliases": ["A", "B"]},
            "attributes": {
                **{"country": "IS" if number % 3 else None, "year": 1990 + number, "share": number / 8},
                **{"live": bool(number % 2), "empty": None, "listeners": 10 * number if number % 4 else None},
            },
        }
        for table, width in FORMS[form].items():
            words = {"tags": ["ska", "dub", "noise", "drone", "bop"], "plays": ["u1", "u2", "u3", "u4"]}.get(table, [])
            picked = rng.permutation(words)[: 2 + number % 2].tolist() if number % 5 else []
            rows = (np.eye(width)[number % 3] + 0.3 * rng.standard_normal((2, width))).round(3) if width else []
            catalog[artist][table] = (
                (rows.tolist() if number % 7 else []) if width else {word: float(rng.integers(1, 9)) for word in picked}
            )
    return catalog


def write_catalog(folder: Path, form: str, catalog: Mapping[ArtistId, Mapping[str, Any]]) -> Path:
    artists: dict[str, list[Any]] = {"artist_id": IDS}
    artists |= {name: [catalog[artist][name] for artist in IDS] for name in ("name", "mbid", "aliases")}
    artists |= {name: [catalog[artist]["attributes"][name] for artist in IDS] for name in catalog[IDS[0]]["attributes"]}
    tables: dict[str, dict[str, list[Any]]] = {"artists": artists}
    for table, width in FORMS[form].items():
        rows = [(artist, row) for artist in IDS for row in (catalog[artist][table] or ())]
        tables[table] = {"artist_id": [artist for artist, _ in rows]}
        if width:
            tables[table]["vector"] = [row for _, row in rows]
        else:
            text, number = COLUMNS[table]
            tables[table] |= {text: [row for _, row in rows], number: [catalog[a][table][row] for a, row in rows]}
    return write_tables(folder, **tables)


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def world(form: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp(form)
    return World(folder, "default", tables=write_catalog(folder / "catalog", form, catalog_of(form)))


def payload(rng: np.random.Generator, kind: ChangeKind) -> dict[str, Any]:
    """Draw any payload that is valid for an artist, whether or not the catalog can hold it."""

    def pick(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    fields: dict[str, Any] = {"name": f"Changed {rng.integers(100)}"} if rng.random() < 0.8 else {}
    if rng.random() < 0.3:
        fields["mbid"] = pick(None, "other")
    if rng.random() < 0.3:
        fields["aliases"] = pick(None, ["C"])
    if rng.random() < 0.6:
        names = rng.permutation(list(ATTRIBUTES))[: rng.integers(1, 5)].tolist()
        fields["attributes"] = pick(None, *[{name: pick(*ATTRIBUTES[name]) for name in names}] * 4)
    for table, words in WORDS.items():
        if rng.random() < 0.5:
            weights = [None, 2.0, 5.0] if kind is ChangeKind.PATCH else [2.0, 5.0]
            picked = rng.permutation(words)[: rng.integers(1, 4)].tolist()
            if kind is ChangeKind.PATCH:  # a patch names each term once
                picked = list({key(table, word): word for word in picked}.values())
            fields[table] = pick(None, *[{word: pick(*weights) for word in picked}] * 3)
    if rng.random() < 0.6:
        vectors = {
            table: pick(None, *[rng.standard_normal((rng.integers(1, 3), n)).tolist() for n in (width, width, 9)])
            for table, width in {"audio": 8, "tags": 5, "cf": 4, "bio": 3}.items()
            if rng.random() < 0.4
        }
        fields["vectors"] = pick(None, *[vectors] * 4) if vectors else None
    return fields


def some(seed: int) -> dict[ArtistId, EffectiveChanges]:
    """Draw effective changes after one or two changes of new artists and those of the catalog; some are deleted."""
    rng = np.random.default_rng(seed)
    effective: dict[ArtistId, EffectiveChanges] = {}
    kinds = [ChangeKind.PUT, ChangeKind.PATCH, ChangeKind.PATCH, ChangeKind.REPLACE]
    for artist in [f"n{number:02d}" for number in range(12)] + rng.permutation(IDS)[:30].tolist():
        stands: EffectiveChanges | None = None
        for _ in range(rng.integers(1, 4)):
            kind = kinds[rng.integers(len(kinds))]
            stands = after(stands, artist, kind, payload(rng, kind))
        assert stands is not None
        effective[artist] = stands if rng.random() < 0.9 else EffectiveChanges(artist, True, {})
    return effective


def key(table: str, term: str) -> str:
    return term.strip().lower() if table == "tags" else term


def typed(name: str, value: Any) -> Any:
    """Return the value in the type of its column; NotImplemented where it does not fit."""
    kind = TYPES.get(name, int if name == "listeners" else str)
    if type(value) is kind:
        return value
    if kind in (int, float) and type(value) in (int, float) and kind(value) == value:
        return kind(value)
    return NotImplemented


def naive(base: Mapping[str, Any], effective: EffectiveChanges, form: str) -> dict[str, Any] | None:
    """Merge changes into an artist's values of the tables; None where it is deleted, or has no name."""
    payload, whole = effective.payload, effective.whole
    artist = {name: payload[name] if name in payload else base.get(name) for name in ("name", "mbid", "aliases")}
    if effective.deleted or artist["name"] is None:
        return None
    artist["attributes"] = {} if "attributes" in whole else dict(base.get("attributes", {}))
    for name, value in payload.get("attributes", {}).items():
        if value is None or typed(name, value) is not NotImplemented:
            artist["attributes"][name] = None if value is None else typed(name, value)
    for table, width in FORMS[form].items():
        artist[table] = base.get(table, [] if width else {})
        vectors = payload.get("vectors", {}).get(table, "nothing")
        if width:
            emptied = "vectors" in whole and vectors == "nothing"
            emptied = emptied or (table == "tags" and "tags" in whole and "tags" not in payload)
            if emptied or vectors is None:
                artist[table] = []
            if isinstance(vectors, list) and len(vectors[0]) == width:
                artist[table] = vectors
            continue
        if table in whole or (vectors is None and table not in payload):
            artist[table] = {}
        weights = payload.get(table, {})
        touched = {key(table, term) for term in weights}
        artist[table] = {term: weight for term, weight in artist[table].items() if term not in touched}
        for term, weight in weights.items():
            if weight is not None:
                artist[table][key(table, term)] = artist[table].get(key(table, term), 0.0) + weight
    return artist


def wanted(effective: Mapping[ArtistId, EffectiveChanges], form: str) -> dict[ArtistId, dict[str, Any]]:
    """Return every artist that must exist after the changes."""
    catalog = catalog_of(form)
    everyone = {
        artist: naive(catalog.get(artist, {}), effective.get(artist, EffectiveChanges(artist, False, {})), form)
        for artist in catalog.keys() | effective.keys()
    }
    return {artist: fields for artist, fields in sorted(everyone.items()) if fields is not None}


def nightly(folded: FoldedTables, form: str) -> dict[ArtistId, dict[str, Any]]:
    """Return every artist of the folded tables; rows of an artist that the table of artists lacks do not count."""
    artists: dict[ArtistId, dict[str, Any]] = {}
    for row in folded.artists().to_pylist():
        artist, fields = row.pop("artist_id"), {name: row.pop(name) for name in ("name", "mbid", "aliases")}
        tables = {table: [] if width else {} for table, width in FORMS[form].items()}
        artists[artist] = {**fields, "attributes": row, **tables}
    for table, width in FORMS[form].items():
        for row in pa.Table.from_batches(folded.batches(table)).to_pylist():
            if row["artist_id"] not in artists:
                continue
            rows = artists[row["artist_id"]][table]
            if width:
                rows.append(row["vector"])
            else:
                term, weight = (row[column] for column in COLUMNS[table])
                rows[key(table, term)] = rows.get(key(table, term), 0.0) + weight
    return artists


def exact(artist: Mapping[str, Any]) -> dict[str, Any]:
    """Return the artist with types of attributes, and vectors in single precision."""
    tables = [table for table in ("audio", "tags", "cf") if isinstance(artist.get(table), list)]
    vectors = {table: np.float32(artist[table]).tolist() for table in tables}
    return {**artist, **vectors, "attributes": typed_attributes(artist["attributes"])}


def typed_attributes(attributes: Mapping[str, Any]) -> dict[str, tuple[type, Any]]:
    """Return the attributes that have a value, with their types: true is not 1, and 1 is not 1.0."""
    return {name: (type(value), value) for name, value in attributes.items() if value is not None}


def live(world: World, effective: Mapping[ArtistId, EffectiveChanges]) -> dict[ArtistId, LiveArtist]:
    encoder = LiveArtistEncoder(world.version, ColdEncoder.open(world.model, world.snapshot))
    rows = {artist: row for row, artist in enumerate(world.version.artist_ids)}
    changed = [each for each in effective.values() if encoder.says_more(each, rows.get(each.artist, -1))]
    artists = encoder(changed, [rows.get(each.artist, -1) for each in changed])
    return {artist.id: artist for artist in artists if artist is not None}


def agrees(world: World, artists: Mapping[ArtistId, LiveArtist], expected: Mapping[ArtistId, Any], form: str) -> None:
    """Check that live artists have the fields of the dictionaries, as far as they hold them."""
    for id, artist in artists.items():
        fields = expected[id]
        identity = (fields["name"], fields["mbid"], tuple(fields["aliases"] or ()))
        assert (artist.name, artist.mbid, artist.aliases) == identity
        assert typed_attributes(artist.attributes) == typed_attributes(fields["attributes"])
        assert artist.evidence.get("audio", 0) == len(fields["audio"])
        if form == "vectors":
            evidence = (len(fields["cf"]), len(fields["tags"]))
            assert (artist.evidence.get("cf", 0), artist.evidence.get("tags", 0)) == evidence
            assert (artist.listeners, artist.plays) == (fields["attributes"].get("listeners") or 0, 0.0)
            continue
        assert (artist.listeners, artist.plays) == (len(fields["plays"]), sum(fields["plays"].values()))
        places, weights = artist.sets.get("tags", (np.empty(0, int), np.empty(0)))
        words = world.version.terms("tags").to_pylist()
        assert dict(zip([words[place] for place in places], weights.tolist(), strict=True)) == {
            tag: weight for tag, weight in fields["tags"].items() if tag in words
        }


@pytest.mark.parametrize("seed", range(4))
def test_both_readings_of_changes_are_that_of_dictionaries(world: World, form: str, seed: int) -> None:
    effective = some(seed)
    expected = wanted(effective, form)
    folded = nightly(world.folded(effective), form)
    assert {id: exact(artist) for id, artist in folded.items()} == {id: exact(a) for id, a in expected.items()}
    artists = live(world, effective)
    assert artists.keys() == {id for id in expected if id in effective and not effective[id].empty}
    agrees(world, artists, expected, form)
    reindexed = world.reindexed(effective)
    embedding = embed(world.model, reindexed)
    row_of = {id: row for row, id in enumerate(reindexed.artist_ids)}
    for id, artist in artists.items():
        row = row_of[id]
        assert artist.modalities == tuple(name for name, m in reindexed.modalities.items() if row in m.rows)
        assert (artist.listeners, artist.plays) == (reindexed.listeners[row], reindexed.plays[row])
        np.testing.assert_allclose(artist.vector, embedding.vectors[row], atol=1e-6)


@pytest.mark.parametrize("seed", [10, 11])
def test_changes_on_a_version_with_others_folded_in_are_read_over_the_tables(
    world: World, form: str, seed: int
) -> None:
    before, later = some(seed), some(seed + 100)
    effective = {id: later.get(id, EffectiveChanges(id, False, {})) for id in before.keys() | later.keys()}
    expected = wanted(effective, form)
    folded = world.after(before)
    artists = live(folded, effective)
    assert artists.keys() == {id for id in expected if id in before or (id in effective and not effective[id].empty)}
    agrees(folded, artists, expected, form)
