"""What the service answers, as pydantic models: the API's contract and its documentation."""

from __future__ import annotations

import operator
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

JsonObject = dict[str, JsonValue]


Id = Annotated[str, Field(description="The catalog's own id of the artist.")]
Name = Annotated[str, Field(description="The artist's name as the catalog spells it.")]
Mbid = Annotated[str | None, Field(description="MusicBrainz id, where the catalog has one.")]
Modalities = Annotated[list[str], Field(description="What is known of the artist, by name, such as tags, cf, audio.")]
Version = Annotated[str, Field(description="Id of the index version that answered.")]


class Summary(BaseModel):
    """An artist in a list."""

    model_config = ConfigDict(frozen=True)
    id: Id
    name: Name
    mbid: Mbid
    modalities: Modalities
    listeners: Annotated[int, Field(ge=0, description="Distinct listeners in the catalog; 0 where none is known.")]


class Details(Summary):
    """All that a version tells of an artist."""

    aliases: Annotated[list[str], Field(description="Other names.")]
    attributes: Annotated[dict[str, object], Field(description="Further columns of the catalog's artists table.")]
    plays: Annotated[float, Field(ge=0, description="Plays in the catalog; 0 where none is known.")]


class Similar(BaseModel):
    """One of the artists that are similar to another."""

    model_config = ConfigDict(frozen=True)
    id: Id
    name: Name
    mbid: Mbid
    modalities: Modalities
    score: Annotated[
        float,
        Field(
            description="How similar; higher is more. A cosine with the corrections of the version's model, or with "
            "raw=true without them. Comparable inside one version, raw ones with raw ones."
        ),
    ]
    pinned: Annotated[
        bool,
        Field(
            description="True where the artist stands here by rule, whatever the score; left out of all others.",
            exclude_if=operator.not_,
        ),
    ] = False


class ArtistsAnswer(BaseModel):
    """Artists by name, best first."""

    model_config = ConfigDict(frozen=True)
    version: Version
    artists: list[Summary]


class ResolveAnswer(BaseModel):
    """The one artist of this name."""

    model_config = ConfigDict(frozen=True)
    version: Version
    artist: Summary


class ArtistAnswer(BaseModel):
    """One artist."""

    model_config = ConfigDict(frozen=True)
    version: Version
    artist: Details


class SimilarAnswer(BaseModel):
    """The artists most similar to one, best first behind those pinned; fewer than k where the version has no more."""

    model_config = ConfigDict(frozen=True)
    version: Version
    artist: Summary
    similar: list[Similar]


class GateCheck(BaseModel):
    """One thing that had to hold before the version could be promoted."""

    name: str
    found: float
    wanted: str
    passed: bool


class Gate(BaseModel):
    """What the gate found."""

    passed: bool
    checks: list[GateCheck]


class Pattern(BaseModel):
    """A set of modalities, and how many artists have exactly these."""

    modalities: list[str]
    artists: Annotated[int, Field(ge=0)]


class IndexAnswer(BaseModel):
    """What the version that serves is made of."""

    model_config = ConfigDict(frozen=True)
    version: Version
    format: Annotated[int, Field(description="Number of the format of its files.")]
    model: Annotated[str, Field(description="Id of the model that embedded the artists.")]
    model_name: Annotated[str, Field(description="What the model is called.")]
    snapshot: Annotated[str, Field(description="Id of the snapshot that the artists come from.")]
    last_change: Annotated[int, Field(ge=0, description="Number of the last change folded in; 0 is none.")]
    artists: Annotated[int, Field(ge=0, description="All artists.")]
    embedded: Annotated[int, Field(ge=0, description="Those that can be asked for and be neighbours.")]
    left_out: Annotated[dict[str, int], Field(description="The others, by the reason.")]
    modalities: Annotated[dict[str, int], Field(description="By modality, the artists that have it.")]
    patterns: Annotated[list[Pattern], Field(description="By set of modalities, the artists that have exactly it.")]
    gate: Gate


class Alive(BaseModel):
    """The process runs."""

    model_config = ConfigDict(frozen=True)
    status: str


class Refused(BaseModel):
    """A promoted version that is not served."""

    version: Annotated[
        str | None, Field(description="Its id; null where CURRENT or the copy of the rules cannot be read.")
    ]
    reason: Annotated[str, Field(description="What is wrong with it.")]


class OwnWorkerAnswer(BaseModel):
    """How the worker is that the service started for itself."""

    model_config = ConfigDict(from_attributes=True)
    state: Annotated[
        Literal["starting", "running", "failed"],
        Field(description="failed: it has ended, and is started again; no job runs meanwhile."),
    ]
    reason: Annotated[str | None, Field(description="Why it ended last; null from when it runs.")]
    failures: Annotated[int, Field(description="Times in a row that it ended within a minute.")]
    again_at: Annotated[datetime | None, Field(description="When it is started again.")]


class Ready(BaseModel):
    """The service answers queries."""

    model_config = ConfigDict(frozen=True)
    status: Annotated[
        Literal["ready", "degraded"],
        Field(description="degraded: queries are answered, and nothing that is hidden is shown, but see `database`."),
    ]
    version: Version
    refused: Annotated[
        Refused | None, Field(description="A newer promoted version that was refused; the last good one serves.")
    ]
    worker: Annotated[
        OwnWorkerAnswer | None, Field(description="The service's own worker; left out where it has none.")
    ] = None
    database: Annotated[
        str | None,
        Field(
            description="Why the database is not believed, which lacks rules, tombstones or promotions that this home "
            "has seen, and what settles that; null where it is believed, or cannot be reached."
        ),
    ]


class InvalidInput(BaseModel):
    """One thing that is wrong with a request."""

    where: Annotated[str, Field(description="Place in the request, such as query.k.")]
    found: Annotated[str, Field(description="What it was, cut to 100 characters.")]
    wanted: Annotated[str, Field(description="What it should be.")]


class Problem(BaseModel):
    """The body of every error (RFC 9457)."""

    model_config = ConfigDict(frozen=True)
    type: Annotated[str, Field(description="Stable name of the kind of problem.")]
    title: Annotated[str, Field(description="The kind of problem, for people.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What happened this time.")]
    request_id: Annotated[str, Field(description="Finds the request in the log; also in X-Request-ID.")]
    version: Annotated[str | None, Field(description="The version asked, where one was.")] = None
    near: Annotated[list[Summary] | None, Field(description="Artists with names near the one asked for.")] = None
    candidates: Annotated[list[Summary] | None, Field(description="The artists that share the name or mbid.")] = None
    checks: Annotated[list[GateCheck] | None, Field(description="What the gate found, where it refused.")] = None
    errors: Annotated[list[InvalidInput] | None, Field(description="Everything wrong with the request.")] = None
