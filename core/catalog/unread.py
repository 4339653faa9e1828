"""Files in a folder of tables that are no tables: why each is not read, and whether data may be lost by that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".parquet", ".csv")
"""Endings of tables; a table's name is the rest."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Names of tables."""

KNOWN = ("artists", "tags", "plays", "audio", "cf", "similar")
"""Tables that have a meaning by their name."""

_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".lz4", ".br")
_DOCUMENTS = (".md", ".rst", ".pdf", ".html", ".cff", ".bib")
_CHECKSUMS = (".md5", ".sha1", ".sha256", ".sha512", ".crc", ".asc", ".sig")
_TITLES = re.compile(r"(readme|licen[cs]e|copying|notice|authors|citation|changelog|changes|manifest)([._-].*)?", re.I)
_SUMS = re.compile(r"(md5|sha\d+)sums?(\.txt)?|checksums?(\.txt)?", re.I)
OWN = "source.json"
"""What RIYL itself writes beside tables."""

_SYSTEM = ("thumbs.db", "desktop.ini")
_DELIMITERS = (b",", b"\t", b";", b"|")
_PEEK_BYTES = 1 << 16


@dataclass(frozen=True)
class Unread:
    """A file that is not read.

    Attributes:
        reason: why.
        harmless: what it holds is no table in another format: a document, a checksum, a mark, a list of lines.
    """

    reason: str
    harmless: bool = False


def unread(path: Path) -> Unread | None:
    """Why an entry of a folder of tables is not read; None where it is a table by its name."""
    name = path.name
    if name.startswith("."):
        return Unread("hidden", harmless=True)
    if path.is_dir():
        return Unread("a folder: wanted one file a table")
    if not path.is_file():
        return Unread("no regular file, or a link to none")
    if path.suffix in ENDINGS:
        wrong = f"found table name {path.stem!r}; wanted lower-case letters, digits and _, a letter first"
        return None if NAME.fullmatch(path.stem) else Unread(wrong)
    return _otherwise(path, name.lower())


def _otherwise(path: Path, lower: str) -> Unread:
    ending = Path(lower).suffix
    kind = path.suffix or "a name without an ending"
    other = Unread(f"{kind} is no format of tables: write it as .csv or .parquet")
    if ending in ENDINGS:
        return Unread(f"its name ends in {path.suffix}: wanted {ending}")
    if ending in _PACKED:
        return Unread("packed: unpack it")
    if ending == ".tsv":
        return Unread("separated by tabs: write it as .csv or .parquet")
    if path.stem.lower().split(".")[0] in KNOWN and ending not in _CHECKSUMS:
        return Unread(
            f"{path.suffix or 'a name without an ending'} is no format of tables: write it as .csv or .parquet"
        )
    if _TITLES.fullmatch(path.name) or ending in _DOCUMENTS:
        return Unread("a document", harmless=True)
    if _SUMS.fullmatch(path.name) or ending in _CHECKSUMS:
        return Unread("checksums", harmless=True)
    if lower in _SYSTEM or path.name.startswith("_"):
        return Unread("a mark of the program that wrote the folder", harmless=True)
    if ending == ".txt" and _is_list(path):
        return Unread("a list of lines, no table", harmless=True)
    return other


def _is_list(path: Path) -> bool:
    """Whether a text has one entry a line: nothing in its beginning separates fields."""
    with path.open("rb") as file:
        start = file.read(_PEEK_BYTES)
    return not any(mark in start for mark in (*_DELIMITERS, b"\0"))
