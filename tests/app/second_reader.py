"""A second, naive reader of changes: what a line of a batch says, and what is left of the artists after it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from riyl.core.changes.effective import MAX_ENTRIES
from tests.core.changes.test_effective import merge_patch

MAX_LINE_BYTES, MAX_LINES, MAX_CONTAINERS, MAX_FIELDS = 2 << 20, 10_000, 20_000, 100
MAX_ID_LENGTH, MAX_NAME_LENGTH, MAX_TEXT_LENGTH = 200, 1000, 10_000
MAX_ALIASES, MAX_VECTORS, MAX_WIDTH = 100, 1000, 4096
FIELDS = {"name", "mbid", "aliases", "attributes", "vectors", "tags", "plays"}
MEMBERS = {"put": FIELDS, "patch": FIELDS, "delete": set[str](), "merge": {"into"}}
NO_ATTRIBUTES = ("artist_id", "name", "mbid", "aliases")
NO_MODALITIES = ("artists", "similar", "plays")
Change = dict[str, Any]


class WrongLineError(ValueError):
    """A line is no change."""


def need(holds: bool, what: str) -> None:
    if not holds:
        raise WrongLineError(what)


def change_of(line: bytes) -> Change:
    """Return the change that a line says.

    Raises:
        WrongLineError: it says none, or one that cannot be whatever artists there are.
    """
    need(len(line) <= MAX_LINE_BYTES, "length")
    outside = re.sub(rb'"(\\.|[^"\\])*"', b"", line, flags=re.DOTALL)
    need(outside.count(b"[") + outside.count(b"{") <= MAX_CONTAINERS, "containers")
    try:
        text = line.decode()
        change = json.loads(text)
        json.dumps(change, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, half of a surrogate pair
        raise WrongLineError(str(error)) from error
    return checked(change)


def checked(change: Any) -> Change:
    """Return the change, after it was held to what its kind may say. Raises as `change_of`."""
    need(isinstance(change, dict), "no object")
    need(isinstance(change.get("kind"), str) and change["kind"] in MEMBERS, "kind")
    fields = {name: value for name, value in change.items() if name not in ("kind", "id")}
    need(is_id(change.get("id")), "id")
    need(fields.keys() <= MEMBERS[change["kind"]], "unknown")
    match change["kind"]:
        case "merge":
            need(is_id(fields.get("into")), "into")
        case "put":
            need(is_word(fields.get("name")), "name")
            check_fields(fields, weight=is_weight)
        case "patch":
            check_fields(fields, weight=lambda value: value is None or is_weight(value))
            need("name" not in fields or is_word(fields["name"]), "name")
            tags = [in_one_form(tag) for tag in fields.get("tags") or ()]
            need(len(set(tags)) == len(tags), "one tag in two spellings")
    return dict(change)


def check_fields(fields: Mapping[str, Any], weight: Callable[[Any], bool]) -> None:
    need(fields.get("mbid") is None or (is_word(fields["mbid"]) and len(fields["mbid"]) <= MAX_ID_LENGTH), "mbid")
    aliases = fields.get("aliases")
    need(aliases is None or (isinstance(aliases, list) and len(aliases) <= MAX_ALIASES), "aliases")
    need(all(map(is_word, aliases or ())), "alias")
    for table in ("tags", "plays"):
        check_object(table, fields.get(table), is_word, weight)
    check_object("attributes", fields.get("attributes"), is_word, is_attribute)
    need(not set(NO_ATTRIBUTES) & set(fields.get("attributes") or ()), "attribute that is a field")
    check_object("vectors", fields.get("vectors"), is_modality, is_vectors)


def check_object(field: str, entries: Any, name: Callable[[Any], bool], value: Callable[[Any], bool]) -> None:
    need(entries is None or (isinstance(entries, dict) and len(entries) <= MAX_ENTRIES[field]), field)
    need(all(name(key) and value(each) for key, each in (entries or {}).items()), field)


def is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and "\0" not in value


def is_word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_NAME_LENGTH and bool(value.strip()) and "\0" not in value


def is_number(value: Any) -> bool:
    """Whether it is one that 32 bits hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value) and abs(float(value)) <= float(np.finfo(np.float32).max)
    except OverflowError:
        return False


def is_weight(value: Any) -> bool:
    return is_number(value) and bool(np.float32(value) > 0)


def is_attribute(value: Any) -> bool:
    match value:
        case None | bool():
            return True
        case str():
            return len(value) <= MAX_TEXT_LENGTH and "\0" not in value
        case int():
            return -(2**63) <= value < 2**63
        case float():
            return math.isfinite(value)
    return False


def is_modality(value: Any) -> bool:
    return re.fullmatch("[a-z][a-z0-9_]{0,99}", value) is not None and value not in NO_MODALITIES


def is_vectors(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, list) or len(value) > MAX_VECTORS or not all(isinstance(each, list) for each in value):
        return False
    widths = {len(each) for each in value}
    return (
        len(widths) <= 1
        and widths <= set(range(1, MAX_WIDTH + 1))
        and all(is_number(number) for each in value for number in each)
    )


def in_one_form(tag: str) -> str:
    """Return a tag as it is compared; of generated tags alone."""
    return tag.strip().lower()


def as_floats(value: Any) -> Any:
    """Numbers, also in lists, as the database gives them back."""
    if isinstance(value, list):
        return list(map(as_floats, value))
    return None if value is None else float(value)


class Artists:
    """What changes leave of artists, as dictionaries.

    Attributes:
        tables: ids of the artists in the tables; of what these say of them nothing is known here.
        said: by id, what changes say of it; that of the tables shows through where they say nothing.
        gone: the deleted and merged, by id, with the id that is in the place of a merged one.
    """

    def __init__(self, tables: Collection[str], mbids: Mapping[str, str]) -> None:
        self.tables = tables
        self.said: dict[str, dict[str, Any]] = {}
        self.gone: dict[str, str | None] = {}
        self._mbids = mbids

    def meant(self, identifier: str) -> str:
        """Return the id that an id or an mbid of the tables means."""
        return self._mbids.get(identifier.lower(), identifier)

    def has(self, artist: str) -> bool:
        return artist not in self.gone and (artist in self.tables or artist in self.said)

    def carry_out(self, change: Change) -> int:
        """Carry a change out; the status that the one who sent it gets."""
        artist, had = self.meant(change["id"]), self.has(self.meant(change["id"]))
        match change["kind"]:
            case "put":
                self.said[artist] = merged({}, change)
                self.gone.pop(artist, None)
                return 200 if had else 201
            case "patch":
                if not had:
                    return 404
                self.said[artist] = merged(self.said.get(artist, {}), change)
                return 200
            case "delete":
                if not had and artist not in self.gone:
                    return 404
                self.gone[artist] = None
            case "merge":
                into = self.meant(change["into"])
                if into == artist:
                    return 422
                if not self.has(into):
                    return 404
                self.gone[artist] = into
        self.said.pop(artist, None)
        return 200


def merged(said: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """Return the fields of an artist after a put or a patch."""
    patch = {name: value for name, value in change.items() if name not in ("kind", "id")}
    return plain(merge_patch(said, plain(patch, nulls=True)))


def plain(payload: Mapping[str, Any], *, nulls: bool = False) -> dict[str, Any]:
    """Return fields in one form: tags as they are compared, empty objects and lists left out."""
    payload = dict(payload)
    for name in ("attributes", "vectors"):
        if isinstance(payload.get(name), dict):
            payload[name] = {key: None if value == [] else value for key, value in payload[name].items()}
    for table, form in (("tags", in_one_form), ("plays", str), ("vectors", str)):
        if isinstance(payload.get(table), dict):
            payload[table] = {form(term): as_floats(value) for term, value in payload[table].items()}
    if payload.get("aliases") == []:
        payload["aliases"] = None
    return payload if nulls else {name: value for name, value in payload.items() if value not in (None, {})}
