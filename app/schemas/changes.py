"""Requests and responses of the routes that change artists."""

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
"""Maximum size of one artist's JSON, and of a batch that is one object, in bytes: parsing more would hold the
interpreter for longer than some 50 ms. Larger artists go through tables, or through several patches."""

MAX_VECTORS = 1000
MAX_VECTOR_WIDTH = 4096
MAX_ALIASES = 100
MAX_NAME_LENGTH = 1000
MAX_TEXT_LENGTH = 10_000
MAX_KEY_LENGTH = 200
MAX_LINES = 10_000
"""Maximum number of changes in a batch."""


class VisibleAfter(StrEnum):
    """Time until responses show a change: a second, or more if many changes wait before it.

    It is the next re-index if the service cannot encode the change, or cannot tell what to merge it into."""

    MOMENT = "within_1s"
    MINUTE = "within_1min"
    HOUR = "within_1h"
    REINDEX = "reindex"


# PostgreSQL stores every character but NUL; tables require text that is not blank
_WORDS = r"^[^\x00]*[^\s\x00][^\x00]*$"

ArtistName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=_WORDS, description="Name.")]
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
    # a float field also accepts whole numbers, and would round those that are too large for an integer
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
    """Remove defaults from the schema: sending a default explicitly differs from omitting the field."""
    for field in schema["properties"].values():
        field.pop("default", None)


class ArtistFields(BaseModel):
    """Fields of an artist besides tags and plays. An omitted field is not set; null means that there is no value."""

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
            description="Values by name, to filter by. A new name adds a column; a column keeps its type. Each "
            "attribute is set on its own.",
        ),
        at_most(MAX_ENTRIES["attributes"]),
    ] = {}
    vectors: Annotated[
        dict[Modality, Vectors | None] | None,
        Field(
            max_length=MAX_ENTRIES["vectors"],
            description="Raw vectors by table, such as audio. Those of a table have equal length and are averaged. "
            "Each table is set on its own.",
        ),
        at_most(MAX_ENTRIES["vectors"]),
    ] = {}


class ArtistPut(ArtistFields):
    """Complete changes to an artist, which replace all earlier ones. Tags and plays replace those of the tables."""

    name: ArtistName
    tags: Annotated[
        dict[Word, Weight] | None,
        Field(max_length=MAX_ENTRIES["tags"], description="Weights by tag, as in the table of tags."),
        at_most(MAX_ENTRIES["tags"]),
    ] = None
    plays: Annotated[
        dict[Word, Weight] | None,
        Field(max_length=MAX_ENTRIES["plays"], description="Play counts by user_id, as in the table of plays."),
        at_most(MAX_ENTRIES["plays"]),
    ] = None


class ArtistPatch(ArtistFields):
    """Merge patch (RFC 7396) over an artist: objects merge key by key, null removes, any other value replaces."""

    name: Annotated[ArtistName, Field(default_factory=str)]
    tags: Annotated[
        dict[Word, Weight | None] | None,
        Field(
            max_length=MAX_ENTRIES["tags"],
            description="Weights by tag, merged into the artist's tags. null removes a tag in any spelling (case, "
            "outer blanks, Unicode form).",
        ),
        at_most(MAX_ENTRIES["tags"]),
    ] = None
    plays: Annotated[
        dict[Word, Weight | None] | None,
        Field(
            max_length=MAX_ENTRIES["plays"],
            description="Play counts by user_id, merged into the artist's plays. null removes a listener.",
        ),
        at_most(MAX_ENTRIES["plays"]),
    ] = None


class MergeInto(BaseModel, extra="forbid", frozen=True):
    """Artist that replaces another one from now on."""

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
    """Batch of changes as one JSON object. Each item is read on its own: an invalid one does not stop the others."""

    items: Annotated[list[Line], Field(min_length=1, max_length=MAX_LINES, description="Changes, applied in order.")]


class ChangeItems(BaseModel, extra="forbid", frozen=True):
    """Batch of changes whose items are not parsed yet."""

    items: Annotated[list[Any], Field(min_length=1, max_length=MAX_LINES)]


class ChangeResponse(BaseModel, frozen=True):
    """Result of a change, which is stored durably."""

    id: Annotated[str, Field(description="The catalog's own id of the artist.")]
    number: Annotated[
        int,
        Field(
            description="Number of the change, in the order in which changes were made. If nothing changed, the number "
            "of the artist's last change, or 0 if it has none."
        ),
    ]
    changed: Annotated[bool, Field(description="False if the artist had all these values already.")]
    visible_after: Annotated[
        VisibleAfter, Field(description="Time until every replica shows it; within_1s for a deletion.")
    ]
    unknown_tags: Annotated[
        list[str],
        Field(description="Tags that the model's featurizer does not know. They are stored, and used once it does."),
    ] = []
    unknown_plays: Annotated[int, Field(ge=0, description="Number of listeners that the featurizer does not know.")] = 0
    unused: Annotated[list[str], Field(description="Tables that the featurizer does not have.")] = []


class Verdict(BaseModel, frozen=True):
    """Result of a line or an item of a batch: a change or a problem. Fields that do not apply are omitted."""

    line: Annotated[int, Field(description="Number of the line or item in the body, from 1.")]
    id: Annotated[str | None, Field(description="The catalog's own id of the artist, if the change could be read.")] = (
        None
    )
    status: Annotated[int, Field(description="HTTP status of a response to this change alone.")]
    number: int | None = None
    changed: bool | None = None
    visible_after: VisibleAfter | None = None
    unknown_tags: list[str] | None = None
    unknown_plays: int | None = None
    unused: list[str] | None = None
    problem: BatchProblem | None = None


class ChangeVerdicts(BaseModel):
    """Results of the items of a batch, in their order."""

    items: list[Verdict]


class ListedChange(BaseModel, frozen=True):
    """Change without its values."""

    number: int
    id: str
    kind: Annotated[
        ChangeKind,
        Field(
            description="Kind of change. `drop` discards earlier changes of the artist; `replace` is a patch of an "
            "earlier release, which replaced whole fields."
        ),
    ]
    payload: Annotated[
        dict[str, int],
        Field(description="Number of values by field; 0 for null. For tags and plays, number of keys, null or not."),
    ]
    by: Annotated[str, Field(description="Author of the change.")]
    at: datetime
    key: Annotated[str | None, Field(description="Idempotency-Key of the batch with the change.")]
    into: Annotated[str | None, Field(description="For a merge, the id of the artist that was merged into.")]

    @staticmethod
    def of(change: WrittenChange) -> ListedChange:
        """Convert a change to its entry in a list."""
        return ListedChange.model_validate({**vars(change), "id": change.artist, "payload": change.counts})


class ChangesResponse(BaseModel, frozen=True):
    """Changes in the order in which they were made."""

    head: Annotated[int, Field(ge=0, description="Number of the last change; 0 if there are none.")]
    changes: list[ListedChange]
