"""Stamps: the state of the database that a home's copy was taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Stream(StrEnum):
    """A history in the database that homes keep a copy of; each has a revision of its own."""

    RULES = "rules"
    TOMBSTONES = "tombstones"
    PROMOTIONS = "promotions"


@dataclass(frozen=True)
class Stamp:
    """A state of one stream.

    Attributes:
        database: id of the database at that time; None in copies from before databases had ids.
        number: revision of the stream; 0 for a stream without any act.
        mark: random value made with the revision: two histories that reach the same number have different marks. None
            as for `database`.
    """

    database: str | None
    number: int
    mark: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the stamp as JSON."""
        return asdict(self)

    @staticmethod
    def of(record: Mapping[str, Any]) -> Stamp:
        """Parse a stamp that `as_dict` returned.

        Raises:
            KeyError, TypeError, ValueError: the record is not a stamp.
        """
        database, mark = (None if record[name] is None else str(record[name]) for name in ("database", "mark"))
        return Stamp(database, int(record["number"]), mark)
