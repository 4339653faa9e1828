"""Files in a folder of tables that are not tables: the reason, and whether ignoring them may lose data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".parquet", ".csv")
"""Endings of table files; the rest of the name is the table's name."""

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Valid names of tables."""

KNOWN = ("artists", "tags", "plays", "audio", "cf", "similar")
"""Tables whose names have a meaning."""

_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".lz4", ".br")
_DOCUMENTS = (".md", ".rst", ".pdf", ".html", ".cff", ".bib")
_CHECKSUMS = (".md5", ".sha1", ".sha256", ".sha512", ".crc", ".asc", ".sig")
_TITLES = re.compile(r"(readme|licen[cs]e|copying|notice|authors|citation|changelog|changes|manifest)([._-].*)?", re.I)
_SUMS = re.compile(r"(md5|sha\d+)sums?(\.txt)?|checksums?(\.txt)?", re.I)
OWN = "source.json"
"""File that RIYL itself writes beside tables."""

_SYSTEM = ("thumbs.db", "desktop.ini")
_DELIMITERS = (b",", b"\t", b";", b"|")
_PEEK_BYTES = 1 << 16


@dataclass(frozen=True)
class Unread:
    """A file that is not read.

    Attributes:
        reason: why it is not read.
        harmless: whether it is certainly not a table: a document, a checksum, a marker file, a list of lines.
    """

    reason: str
    harmless: bool = False


def unread(path: Path) -> Unread | None:
    """Return why an entry of a folder of tables is not read; None if its name is that of a table."""
    name = path.name
    if name.startswith("."):
        return Unread("hidden", harmless=True)
    if path.is_dir():
        return Unread("a folder: wanted one file per table")
    if not path.is_file():
        return Unread("neither a regular file nor a link to one")
    if path.suffix in ENDINGS:
        wrong = f"found table name {path.stem!r}; wanted lower-case letters, digits and _, a letter first"
        return None if NAME.fullmatch(path.stem) else Unread(wrong)
    return _otherwise(path, name.lower())


def _otherwise(path: Path, lower: str) -> Unread:
    ending = Path(lower).suffix
    kind = path.suffix or "a name without an ending"
    other = Unread(f"{kind} is not a table format: write it as .csv or .parquet")
    if ending in ENDINGS:
        return Unread(f"its name ends in {path.suffix}: wanted {ending}")
    if ending in _PACKED:
        return Unread("packed: unpack it")
    if ending == ".tsv":
        return Unread("separated by tabs: write it as .csv or .parquet")
    if path.stem.lower().split(".")[0] in KNOWN and ending not in _CHECKSUMS:
        return Unread(
            f"{path.suffix or 'a name without an ending'} is not a table format: write it as .csv or .parquet"
        )
    if _TITLES.fullmatch(path.name) or ending in _DOCUMENTS:
        return Unread("a document", harmless=True)
    if _SUMS.fullmatch(path.name) or ending in _CHECKSUMS:
        return Unread("checksums", harmless=True)
    if lower in _SYSTEM or path.name.startswith("_"):
        return Unread("a marker file of the program that wrote the folder", harmless=True)
    if ending == ".txt" and _is_list(path):
        return Unread("a list of lines, not a table", harmless=True)
    return other


def _is_list(path: Path) -> bool:
    """Check whether a text has one entry per line: no separators of fields in its beginning."""
    with path.open("rb") as file:
        start = file.read(_PEEK_BYTES)
    return not any(mark in start for mark in (*_DELIMITERS, b"\0"))
