"""What is said of artists over the API, and what it answers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from riyl.app.schemas.query import BatchProblem, at_most, few_fields
from riyl.core.changes.effective import MAX_ENTRIES, ChangeKind
from riyl.core.db.effective import WrittenChange
from riyl.core.rules import MAX_ID_LENGTH

MAX_ARTIST_BYTES = 2 << 20
"""Maximum JSON of one artist, and of a batch that is one object, in bytes: reading it holds the interpreter for some
50 ms. What is more goes through tables, or through several patches."""

MAX_VECTORS = 1000
MAX_VECTOR_WIDTH = 4096
MAX_ALIASES = 100
MAX_NAME_LENGTH = 1000
MAX_TEXT_LENGTH = 10_000
MAX_KEY_LENGTH = 200
MAX_LINES = 10_000
"""Of a batch."""


class VisibleAfter(StrEnum):
    """When answers show a change: in a moment; later, where many wait before it; or after the next re-index, where
    nothing can encode it here or the snapshot does not tell what it is merged into."""

    MOMENT = "within_1s"
    MINUTE = "within_1min"
    HOUR = "within_1h"
    REINDEX = "reindex"


# PostgreSQL keeps every character but NUL; tables want text that is not blank
_WORDS = r"^[^\x00]*[^\s\x00][^\x00]*$"

ArtistName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=_WORDS, description="Its name.")]
ChangeId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_ID_LENGTH,
        pattern=r"^[^\x00]*$",
        description="The catalog's own id of the artist, or its MusicBrainz id where the version that serves has it.",
    ),
]
Word = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=_WORDS)]
Weight = Annotated[float, Field(gt=0, strict=True)]


def _is_no_whole_number(value: Any) -> Any:
    # a float takes whole numbers, too, and would round those that are too large for an integer
    if isinstance(value, int):
        raise PydanticCustomError("int_size", "a whole number of 64 bits")
    return value


Attribute: TypeAlias = (
    Annotated[StrictStr, Field(max_length=MAX_TEXT_LENGTH, pattern=r"^[^\x00]*$")]
    | StrictBool
    | Annotated[StrictInt, Field(ge=-(2**63), le=2**63 - 1)]
    | Annotated[StrictFloat, BeforeValidator(_is_no_whole_number)]
)
Modality = Annotated[str, Field(max_length=100, pattern="^[a-z][a-z0-9_]*$")]
Vectors = Annotated[
    list[
        Annotated[
            list[Annotated[float, Field(strict=True)]], Field(min_length=1, max_length=MAX_VECTOR_WIDTH, fail_fast=True)
        ]
    ],
    Field(max_length=MAX_VECTORS, fail_fast=True),
]


def _without_defaults(schema: dict[str, Any]) -> None:
    """Describe no defaults: a client that sent them in place of what is left out would say something."""
    for field in schema["properties"].values():
        field.pop("default", None)


class ArtistFields(BaseModel):
    """What is said of an artist besides tags and plays. What is left out is not said; null says that it has none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, json_schema_extra=_without_defaults)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        return few_fields(value)

    mbid: Annotated[
        str | None, Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=_WORDS, description="MusicBrainz id.")
    ] = None
    aliases: Annotated[
        list[ArtistName] | None, Field(max_length=MAX_ALIASES, fail_fast=True, description="Other names.")
    ] = None
    attributes: Annotated[
        dict[Word, Attribute | None] | None,
        Field(
            max_length=MAX_ENTRIES["attributes"],
            description="By name, to filter by; a new one becomes a column, an old one keeps its type. Each is said "
            "by itself.",
        ),
        at_most(MAX_ENTRIES["attributes"]),
    ] = {}
    vectors: Annotated[
        dict[Modality, Vectors | None] | None,
        Field(
            max_length=MAX_ENTRIES["vectors"],
            description="Raw vectors by table, such as audio: those of a table are equally long, and are averaged. "
            "Each table is said by itself.",
        ),
        at_most(MAX_ENTRIES["vectors"]),
    ] = {}


class ArtistPut(ArtistFields):
    """All that changes are to say of an artist. Tags and plays take the place of all that the tables have of it."""

    name: ArtistName
    tags: Annotated[
        dict[Word, Weight] | None,
        Field(max_length=MAX_ENTRIES["tags"], description="Words by weight, as in the table of tags."),
        at_most(MAX_ENTRIES["tags"]),
    ] = None
    plays: Annotated[
        dict[Word, Weight] | None,
        Field(max_length=MAX_ENTRIES["plays"], description="Counts by user_id, as in the table of plays."),
        at_most(MAX_ENTRIES["plays"]),
    ] = None


class ArtistPatch(ArtistFields):
    """A merge patch (RFC 7396) over what changes and tables say of an artist: objects merge key by key, null removes a
    key or a field, everything else replaces what was there."""

    name: Annotated[ArtistName, Field(default_factory=str)]
    tags: Annotated[
        dict[Word, Weight | None] | None,
        Field(
            max_length=MAX_ENTRIES["tags"],
            description="Words by weight, merged into those that the artist has; null takes one away, however it is "
            "written there (case, outer blanks, Unicode form).",
        ),
        at_most(MAX_ENTRIES["tags"]),
    ] = None
    plays: Annotated[
        dict[Word, Weight | None] | None,
        Field(
            max_length=MAX_ENTRIES["plays"],
            description="Counts by user_id, merged into those that the artist has; null takes a listener away.",
        ),
        at_most(MAX_ENTRIES["plays"]),
    ] = None


class MergeInto(BaseModel, extra="forbid", frozen=True):
    """Which artist is in the place of another one from now on."""

    into: ChangeId


class PutLine(ArtistPut):
    """Put an artist."""

    kind: Literal["put"]
    id: ChangeId


class PatchLine(ArtistPatch):
    """Patch an artist."""

    kind: Literal["patch"]
    id: ChangeId


class DeleteLine(BaseModel, extra="forbid", frozen=True):
    """Delete an artist."""

    kind: Literal["delete"]
    id: ChangeId


class MergeLine(MergeInto, frozen=True):
    """Merge an artist into another one."""

    kind: Literal["merge"]
    id: ChangeId


Line = Annotated[PutLine | PatchLine | DeleteLine | MergeLine, Field(discriminator="kind")]


class ChangeBatch(BaseModel, extra="forbid", frozen=True):
    """A batch of changes as one JSON object. Each item is read by itself: one that is wrong holds up no other."""

    items: Annotated[list[Line], Field(min_length=1, max_length=MAX_LINES, description="Changes, in their order.")]


class ChangeItems(BaseModel, extra="forbid", frozen=True):
    """The same, with items that are not read yet."""

    items: Annotated[list[Any], Field(min_length=1, max_length=MAX_LINES)]


class ChangeResponse(BaseModel, frozen=True):
    """What became of a change; it is durable."""

    id: Annotated[str, Field(description="The catalog's own id of the artist.")]
    number: Annotated[
        int,
        Field(
            description="Of the change, in the order in which all were made; of the artist's last one where this "
            "changes nothing, 0 where it has none."
        ),
    ]
    changed: Annotated[bool, Field(description="False where all this was said already.")]
    visible_after: Annotated[
        VisibleAfter, Field(description="Until answers show it, in every replica; of a deletion always a moment.")
    ]
    unknown_tags: Annotated[
        list[str],
        Field(description="Tags that the model's featurizer does not know: kept, and of no use until it does."),
    ] = []
    unknown_plays: Annotated[int, Field(ge=0, description="How many listeners it does not know, likewise.")] = 0
    unused: Annotated[list[str], Field(description="Tables that it does not have, likewise.")] = []


class Verdict(BaseModel, frozen=True):
    """What became of a line or an item of a batch: a change, or a problem. What does not apply is left out."""

    line: Annotated[int, Field(description="Number of the line of the body, or of the item, from 1.")]
    id: Annotated[str | None, Field(description="The catalog's own id of the artist, where the change was read.")] = (
        None
    )
    status: Annotated[int, Field(description="What the change alone would have been answered with.")]
    number: int | None = None
    changed: bool | None = None
    visible_after: VisibleAfter | None = None
    unknown_tags: list[str] | None = None
    unknown_plays: int | None = None
    unused: list[str] | None = None
    problem: BatchProblem | None = None


class ChangeVerdicts(BaseModel):
    """What became of each item of a batch, in their order."""

    items: list[Verdict]


class ListedChange(BaseModel, frozen=True):
    """A change without what it says."""

    number: int
    id: str
    kind: Annotated[
        ChangeKind,
        Field(
            description="`drop` takes earlier ones of the artist back; `replace` is a patch of an earlier release, "
            "which replaced whole fields."
        ),
    ]
    payload: Annotated[
        dict[str, int],
        Field(description="By field, how much is said; 0 of null. Of tags and plays, how many keys, null or not."),
    ]
    by: Annotated[str, Field(description="Who made it.")]
    at: datetime
    key: Annotated[str | None, Field(description="Idempotency-Key of the batch that it came with.")]
    into: Annotated[str | None, Field(description="Of a merge, the id of the artist in whose place it is.")]

    @staticmethod
    def of(change: WrittenChange) -> ListedChange:
        """The change as lists show it."""
        return ListedChange.model_validate({**vars(change), "id": change.artist, "payload": change.counts})


class ChangesResponse(BaseModel, frozen=True):
    """Changes in the order in which they were made."""

    head: Annotated[int, Field(ge=0, description="Number of the last change there is; 0 is none.")]
    changes: list[ListedChange]
