"""`lastfm-2k`: HetRec 2011 Last.fm-2k, from its zip as published: artists, and the tags and plays of 1,892 users.

Names are not changed, even if Last.fm's users misspelt them. Addresses of pages and pictures, friends and the days of
tagging are not read.
"""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa

from riyl.core.catalog.notes import Notes
from riyl.core.errors import InputError
from riyl.core.types import Progress
from riyl.training.datasets.base import Dataset, RemoteFile, write_table

ARCHIVE = RemoteFile(
    "hetrec2011-lastfm-2k.zip", "https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip"
)

HEADERS = {
    "artists.dat": ["id", "name", "url", "pictureURL"],
    "tags.dat": ["tagID", "tagValue"],
    "user_artists.dat": ["userID", "artistID", "weight"],
    "user_taggedartists.dat": ["userID", "artistID", "tagID", "day", "month", "year"],
}
"""Members of the zip that are read, in this order, with their first line."""


@dataclass(frozen=True)
class Line:
    """A line of a member, with as many fields as its header; `number` counts from 1, the header being line 1."""

    member: str
    number: int
    fields: list[str]


def make(files: Mapping[str, Path], out: Path, notes: Notes, progress: Progress) -> None:
    """Write artists, tags and plays; an invalid line is left out and noted by member and reason.

    A tag's weight is the number of users that gave it to the artist.

    Raises:
        InputError: the zip is damaged, a member is missing, or its first line differs.
    """
    path = files[ARCHIVE.name]
    with _opened(path) as archive:
        texts = {}
        for done, member in enumerate(HEADERS, start=1):
            texts[member] = _read(path, archive, member)
            progress(f"read {ARCHIVE.name}", done, len(HEADERS))
    lines = {member: _lines(path, member, text, notes) for member, text in texts.items()}
    names = _named(lines["artists.dat"], notes)
    if not names:
        raise InputError(f"{path}: found no artist in artists.dat; wanted at least one")
    tags = _named(lines["tags.dat"], notes)
    plays = _plays(lines["user_artists.dat"], names, notes)
    weights = _weights(lines["user_taggedartists.dat"], names, tags, notes)
    write_table(out, "artists", pa.table({"artist_id": [str(i) for i in names], "name": list(names.values())}))
    write_table(
        out,
        "tags",
        pa.table(
            {
                "artist_id": pa.array([str(artist) for artist, _ in weights], pa.string()),
                "tag": pa.array([tag for _, tag in weights], pa.string()),
                "weight": pa.array(weights.values(), pa.int64()),
            }
        ),
    )
    write_table(
        out,
        "plays",
        pa.table(
            {
                "user_id": pa.array([str(user) for user, _ in plays], pa.string()),
                "artist_id": pa.array([str(artist) for _, artist in plays], pa.string()),
                "count": pa.array(plays.values(), pa.int64()),
            }
        ),
    )


DATASET = Dataset(
    name="lastfm-2k",
    summary="17,632 artists with the tags and plays of 1,892 Last.fm users (HetRec 2011)",
    licence="non-commercial research; the data is Last.fm's",
    citation=(
        "I. Cantador, P. Brusilovsky, T. Kuflik: 2nd Workshop on Information Heterogeneity and Fusion in Recommender "
        "Systems (HetRec 2011). Proceedings of the 5th ACM Conference on Recommender Systems, RecSys 2011."
    ),
    files=(ARCHIVE,),
    make=make,
)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{path}: found a damaged zip ({error}); wanted {ARCHIVE.name} as published; remove it to fetch it again"
        ) from error


def _read(path: Path, archive: zipfile.ZipFile, member: str) -> bytes:
    """Read the bytes of a member, at the top of the zip or in a folder."""
    matches = [name for name in archive.namelist() if PurePosixPath(name).name == member]
    if len(matches) != 1:
        listed = ", ".join(archive.namelist()[:8]) or "nothing"
        raise InputError(f"{path}: found {len(matches)} entries {member} among {listed}; wanted one")
    return archive.read(matches[0])


def _lines(path: Path, member: str, data: bytes, notes: Notes) -> Iterator[Line]:
    """Yield the lines below the header; lines end in CRLF or LF, and a line that is not UTF-8 is read as Latin-1."""
    wanted = HEADERS[member]
    lines = data.removesuffix(b"\n").split(b"\n")
    header = lines[0].removesuffix(b"\r").decode("utf-8-sig", "replace").split("\t")
    if header != wanted:
        raise InputError(f"{path}: found first line {header} in {member}; wanted {wanted}")
    for number, raw in enumerate(lines[1:], start=2):
        raw = raw.removesuffix(b"\r")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
            notes.add(f"{member}: line read as Latin-1", f"line {number}: {text!r}")
        line = Line(member, number, text.split("\t"))
        if len(line.fields) == len(wanted):
            yield line
        else:
            _leave_out(notes, line, f"{len(line.fields)} fields instead of {len(wanted)}")


def _named(lines: Iterator[Line], notes: Notes) -> dict[int, str]:
    """Return names by id, in file order."""
    names: dict[int, str] = {}
    for line in lines:
        number, name = _whole(line.fields[0]), line.fields[1]
        if number is None:
            _leave_out(notes, line, "id not a whole number")
        elif not name.strip():
            _leave_out(notes, line, "blank name")
        elif number in names:
            _leave_out(notes, line, "id given before")
        else:
            names[number] = name
    return names


def _plays(lines: Iterator[Line], names: Mapping[int, str], notes: Notes) -> dict[tuple[int, int], int]:
    """Return counts by (user, artist), in file order."""
    plays: dict[tuple[int, int], int] = {}
    for line in lines:
        user, artist, count = (_whole(field) for field in line.fields)
        if user is None or artist is None:
            _leave_out(notes, line, "id not a whole number")
        elif not count:
            _leave_out(notes, line, "count not a whole number above 0")
        elif artist not in names:
            _leave_out(notes, line, "artist not in artists.dat")
        else:
            if (user, artist) in plays:
                notes.add(f"{line.member}: user and artist given before, counts added", _shown(line))
            plays[user, artist] = plays.get((user, artist), 0) + count
    return plays


def _weights(
    lines: Iterator[Line], names: Mapping[int, str], tags: Mapping[int, str], notes: Notes
) -> Counter[tuple[int, str]]:
    """Return the number of users by (artist, tag), in file order."""
    weights: Counter[tuple[int, str]] = Counter()
    seen: set[tuple[int, int, str]] = set()
    for line in lines:
        user, artist, tag = (_whole(field) for field in line.fields[:3])
        if user is None or artist is None or tag is None:
            _leave_out(notes, line, "id not a whole number")
        elif artist not in names:
            _leave_out(notes, line, "artist not in artists.dat")
        elif tag not in tags:
            _leave_out(notes, line, "tag not in tags.dat")
        elif (user, artist, tags[tag]) in seen:
            notes.add(f"{line.member}: user, artist and tag given before, counted once", _shown(line))
        else:
            seen.add((user, artist, tags[tag]))
            weights[artist, tags[tag]] += 1
    return weights


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _leave_out(notes: Notes, line: Line, reason: str) -> None:
    notes.add(f"{line.member}: line left out, {reason}", _shown(line))


def _shown(line: Line) -> str:
    text = "\t".join(line.fields)
    return f"line {line.number}: {text!r}"
