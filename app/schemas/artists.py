"""What the service answers, as pydantic models: the API's contract and its documentation."""

from __future__ import annotations

import operator
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

JsonObject = dict[str, JsonValue]


Id = Annotated[str, Field(description="The catalog's own id of the artist.")]
Name = Annotated[str, Field(description="The artist's name as the catalog spells it.")]
Mbid = Annotated[str | None, Field(description="MusicBrainz id, where the catalog has one.")]
Modalities = Annotated[list[str], Field(description="What is known of the artist, by name, such as tags, cf, audio.")]
Version = Annotated[str, Field(description="Id of the index version that answered.")]


class Summary(BaseModel, frozen=True):
    """An artist in a list."""

    id: Id
    name: Name
    mbid: Mbid
    modalities: Modalities
    listeners: Annotated[int, Field(ge=0, description="Distinct listeners in the catalog; 0 where none is known.")]


class Details(Summary, frozen=True):
    """All that a version tells of an artist."""

    aliases: Annotated[list[str], Field(description="Other names.")]
    attributes: Annotated[dict[str, object], Field(description="Further columns of the catalog's artists table.")]
    plays: Annotated[float, Field(ge=0, description="Plays in the catalog; 0 where none is known.")]


class Similar(BaseModel, frozen=True):
    """One of the artists that are similar to another."""

    id: Id
    name: Name
    mbid: Mbid
    modalities: Modalities
    score: Annotated[
        float,
        Field(
            description="How similar; higher is more. A cosine with the corrections of the version's model, or with "
            "uncorrected=true without them. Comparable inside one version, raw ones with raw ones."
        ),
    ]
    pinned: Annotated[
        bool,
        Field(
            description="True where the artist stands here by rule, whatever the score; left out of all others.",
            exclude_if=operator.not_,
        ),
    ] = False


class ArtistsResponse(BaseModel, frozen=True):
    """Artists by name, best first."""

    version: Version
    artists: list[Summary]


class ResolveResponse(BaseModel, frozen=True):
    """The one artist of this name."""

    version: Version
    artist: Summary


class ArtistResponse(BaseModel, frozen=True):
    """One artist."""

    version: Version
    artist: Details


class SimilarResponse(BaseModel, frozen=True):
    """The artists most similar to one, best first behind those pinned; fewer than k where the version has no more."""

    version: Version
    artist: Summary
    similar: list[Similar]
