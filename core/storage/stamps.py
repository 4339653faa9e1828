"""Stamps: which state of the database a home's copy was taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Stream(StrEnum):
    """One of the histories in the database that homes keep a copy of, each with a revision of its own."""

    RULES = "rules"
    TOMBSTONES = "tombstones"
    PROMOTIONS = "promotions"


@dataclass(frozen=True)
class Stamp:
    """A state of one stream.

    Attributes:
        database: the id that the database had; None in copies from before databases had one.
        number: the stream's revision; 0 is a stream in which nothing was ever done.
        mark: random, made with the revision: two histories that reach the same number have different marks. None as
            for `database`.
    """

    database: str | None
    number: int
    mark: str | None

    def as_dict(self) -> dict[str, Any]:
        """The stamp as JSON."""
        return asdict(self)

    @staticmethod
    def of(record: Mapping[str, Any]) -> Stamp:
        """The stamp that `as_dict` made.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        database, mark = (None if record[name] is None else str(record[name]) for name in ("database", "mark"))
        return Stamp(database, int(record["number"]), mark)
