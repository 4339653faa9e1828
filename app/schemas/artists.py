"""Responses of the routes that read artists."""

from __future__ import annotations

import operator
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

JsonObject = dict[str, JsonValue]


Id = Annotated[str, Field(description="The catalog's own id of the artist.")]
Name = Annotated[str, Field(description="The artist's name as the catalog spells it.")]
Mbid = Annotated[str | None, Field(description="MusicBrainz id, if the catalog has one.")]
Modalities = Annotated[list[str], Field(description="Kinds of data that the artist has, such as tags, cf, audio.")]
Version = Annotated[str, Field(description="Id of the index version that answered.")]


class Summary(BaseModel, frozen=True):
    """Artist in a list."""

    id: Id
    name: Name
    mbid: Mbid
    modalities: Modalities
    listeners: Annotated[int, Field(ge=0, description="Distinct listeners in the catalog; 0 if unknown.")]


class Details(Summary, frozen=True):
    """All fields of an artist in a version."""

    aliases: Annotated[list[str], Field(description="Other names.")]
    attributes: Annotated[dict[str, object], Field(description="Further columns of the catalog's artists table.")]
    plays: Annotated[float, Field(ge=0, description="Plays in the catalog; 0 if unknown.")]


class Similar(BaseModel, frozen=True):
    """Artist that is similar to another one."""

    id: Id
    name: Name
    mbid: Mbid
    modalities: Modalities
    score: Annotated[
        float,
        Field(
            description="Similarity; higher is more similar. It is a cosine with the corrections of the version's "
            "model, or without them if uncorrected=true. Scores are comparable within one version, and only with or "
            "only without corrections."
        ),
    ]
    pinned: Annotated[
        bool,
        Field(
            description="True if an editorial rule put the artist here, whatever its score; omitted otherwise.",
            exclude_if=operator.not_,
        ),
    ] = False


class ArtistsResponse(BaseModel, frozen=True):
    """Artists found by name, best match first."""

    version: Version
    artists: list[Summary]


class ResolveResponse(BaseModel, frozen=True):
    """The only artist of this name."""

    version: Version
    artist: Summary


class ArtistResponse(BaseModel, frozen=True):
    """One artist and the version that it is from."""

    version: Version
    artist: Details


class SimilarResponse(BaseModel, frozen=True):
    """Artists most similar to one: pinned ones, then the best first; fewer than k if the version has no more."""

    version: Version
    artist: Summary
    similar: list[Similar]
