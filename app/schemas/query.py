"""What POST similar is asked with, and what it answers."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

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

from riyl.app.schemas.artists import Id, Name, Similar, Version
from riyl.app.schemas.explanation import Explained

MAX_K = 1000
MAX_SEEDS = 100
MAX_TAGS = 200
MAX_PLAYS = 5000
MAX_EXCLUDED = 10_000
MAX_QUERIES = 1000
MAX_ANSWERS = 50_000
"""Of all queries of a batch together."""
MAX_SHARES = 200_000
"""Of all explained answers of a request together: each has a share of every artist that is asked with."""
HEAVY_SHARES = 10_000
"""Shares of a request, some 10 MiB of memory, beyond which it is explained while no other such one is."""
MAX_TEXT_LENGTH = 1000
MAX_FIELDS = 100
"""Of an object, known or not."""
SHOWN_UNKNOWN = 100


def few_fields(value: Any) -> Any:
    """Refuse an object with more fields than any has, before each of them is told as unknown."""
    if isinstance(value, dict) and len(value) > MAX_FIELDS:
        raise ValueError(f"at most {MAX_FIELDS} fields, not {len(value)}")
    return value


def at_most(entries: int) -> BeforeValidator:
    """Refuse an object with more entries before each of them is looked at, as each may be a fault to tell."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and len(value) > entries:
            raise PydanticCustomError("too_long", f"at most {entries} entries, not {len(value)}")
        return value

    return BeforeValidator(check)


Scalar: TypeAlias = StrictStr | StrictBool | StrictInt | StrictFloat
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_LENGTH)]


def _is_no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "a number")
    return value


NUMBER = BeforeValidator(_is_no_truth_value)
"""True is no number, though it counts as 1 in Python. Stands behind a type's bounds, which pydantic then describes."""

Weight = Annotated[float, Field(gt=0, le=1e9, description="What it weighs beside the others."), NUMBER]


class Question(BaseModel):
    """Anything that is asked: what is not known to it is refused, and numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        return few_fields(value)


class Seed(Question):
    """An artist, named by one of id, mbid and name."""

    id: Annotated[Text | None, Field(description="The catalog's own id.")] = None
    mbid: Annotated[Text | None, Field(description="MusicBrainz id; 409 where several artists have it.")] = None
    name: Annotated[Text | None, Field(description="The whole name; 409 where several artists have it.")] = None
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _one(self) -> Seed:
        if sum(value is not None for value in (self.id, self.mbid, self.name)) != 1:
            raise ValueError("one of id, mbid and name")
        return self


class Bounds(Question):
    """From gte to lte, both in it."""

    gte: Annotated[float | None, NUMBER] = None
    lte: Annotated[float | None, NUMBER] = None

    @model_validator(mode="after")
    def _in_order(self) -> Bounds:
        if self.gte is not None and self.lte is not None and self.gte > self.lte:
            raise ValueError("gte at most lte: nothing can fulfil this")
        return self


class Condition(Question):
    """What an attribute must be; of a list, what one of its entries must be. All that is given must hold."""

    eq: Annotated[Scalar | None, Field(description="This.")] = None
    in_: Annotated[
        list[Scalar] | None, Field(alias="in", max_length=1000, fail_fast=True, description="One of these.")
    ] = None
    gte: Annotated[Scalar | None, Field(description="This or more; of texts and dates, in their order.")] = None
    lte: Annotated[Scalar | None, Field(description="This or less.")] = None
    missing: Annotated[bool | None, Field(description="Whether the artist has no such attribute.")] = None

    @model_validator(mode="after")
    def _possible(self) -> Condition:
        wants = [value for value in (self.eq, self.in_, self.gte, self.lte) if value is not None]
        if not wants and self.missing is None:
            raise ValueError("at least one of eq, in, gte, lte and missing")
        if wants and self.missing:
            raise ValueError("missing alone: nothing can be missing and have a value")
        if self.eq is not None and self.in_ is not None:
            raise ValueError("eq or in, not both")
        return self


class FiltersRequest(Question):
    """Conditions on the artists that may answer; all must hold."""

    attributes: Annotated[
        dict[Text, Condition],
        Field(max_length=20, description="By the name of a column of the artists table."),
        at_most(20),
    ] = {}
    listeners: Annotated[Bounds, Field(description="Distinct listeners.")] = Bounds()
    popularity: Annotated[
        Bounds, Field(description="0 to 1: share of the artists that are less listened to, half of the equals counted.")
    ] = Bounds()
    modalities: Annotated[
        list[Text], Field(max_length=20, fail_fast=True, description="That the artist must all have.")
    ] = []


class SimilarRequest(Question):
    """Who is similar to all this together."""

    seeds: Annotated[list[Seed], Field(max_length=MAX_SEEDS, fail_fast=True, description="Artists.")] = []
    avoid: Annotated[
        list[Seed], Field(max_length=MAX_SEEDS, fail_fast=True, description="Artists that answers are to be unlike.")
    ] = []
    tags: Annotated[
        dict[Text, Weight],
        Field(
            max_length=MAX_TAGS,
            description="Weighted words, as an artist who is not in the catalog would have; weighs as one seed of "
            "weight 1, together with `vectors`. Those that the model does not know are named in the answer.",
        ),
        at_most(MAX_TAGS),
    ] = {}
    vectors: Annotated[
        dict[Text, Annotated[list[float], Field(max_length=4096, fail_fast=True)]],
        Field(max_length=20, description="By modality, a vector of such an artist in the featurizer's space."),
        at_most(20),
    ] = {}
    plays: Annotated[
        dict[Text, Weight],
        Field(
            max_length=MAX_PLAYS,
            description="A listener's counts by artist id or mbid: seeds by log(1 + count), together of weight 1. "
            "Unknown ones are named in the answer.",
        ),
        at_most(MAX_PLAYS),
    ] = {}
    k: Annotated[int, Field(ge=1, le=MAX_K, description="How many at most."), NUMBER] = 10
    filters: FiltersRequest = FiltersRequest()
    exclude: Annotated[
        list[Text],
        Field(
            max_length=MAX_EXCLUDED,
            fail_fast=True,
            description="Ids or mbids that must not be answered; all who share an mbid.",
        ),
    ] = []
    diversity: Annotated[
        float, Field(ge=0, le=1, description="0 the best; 1 as unlike each other as can be."), NUMBER
    ] = 0.0
    popularity: Annotated[float, Field(ge=-1, le=1, description="-1 prefers the obscure, 1 the popular."), NUMBER] = 0.0
    min_score: Annotated[float | None, Field(ge=-10, le=10, description="Least score of an answer."), NUMBER] = None
    uncorrected: Annotated[bool, Field(description="Leave the version's corrections out: cosines.")] = False
    explain: Annotated[bool, Field(description="Say why, with each answer.")] = False

    @model_validator(mode="after")
    def _something(self) -> SimilarRequest:
        if not (self.seeds or self.tags or self.vectors or self.plays):
            raise ValueError("at least one of seeds, tags, vectors and plays")
        _check_shares(self.n_shares)
        return self

    @property
    def n_shares(self) -> int:
        """Shares of scores that the answer explains at most: one an answer and artist that is asked with."""
        return self.k * (len(self.seeds) + len(self.avoid) + len(self.plays) + 1) if self.explain else 0


class BatchRequest(Question):
    """Many questions at once."""

    queries: Annotated[list[SimilarRequest], Field(min_length=1, max_length=MAX_QUERIES, fail_fast=True)]

    @model_validator(mode="after")
    def _bounded(self) -> BatchRequest:
        if sum(query.k for query in self.queries) > MAX_ANSWERS:
            raise ValueError(f"at most {MAX_ANSWERS} answers in all: less queries, or smaller k")
        _check_shares(self.n_shares)
        return self

    @property
    def n_shares(self) -> int:
        """Shares of scores that all answers together explain at most."""
        return sum(query.n_shares for query in self.queries)


def _check_shares(n_shares: int) -> None:
    if n_shares > MAX_SHARES:
        raise ValueError(
            f"at most {MAX_SHARES} shares to explain, not k times the artists asked with = {n_shares}: a smaller k, "
            "fewer seeds or plays, or no explain"
        )


class ResolvedSeed(BaseModel):
    """An artist that was asked with, as it was understood."""

    id: Id
    name: Name
    weight: float


class ResolvedQuery(BaseModel):
    """What became of the question."""

    seeds: list[ResolvedSeed]
    avoid: list[ResolvedSeed]
    tags: Annotated[dict[str, float], Field(description="Known, as the model has them.")]
    unknown_tags: list[str]
    plays: Annotated[int, Field(description="Of the listener's artists, those that were used.")]
    unknown_plays: Annotated[
        list[str],
        Field(
            description="Those that are not there, of whom nothing is known, or whose mbid several artists share; "
            f"{SHOWN_UNKNOWN} at most."
        ),
    ]


class QueryResponse(BaseModel, frozen=True):
    """The artists that fit best, best first; fewer than k where no more exist."""

    version: Version
    asked: ResolvedQuery
    similar: list[Explained] | list[Similar]


class BatchProblem(BaseModel):
    """Why one question of a batch has no answer."""

    title: str
    status: int
    detail: str


class BatchEntry(BaseModel):
    """The answer to one question, or what was wrong with it."""

    answer: QueryResponse | None
    problem: BatchProblem | None


class BatchResponse(BaseModel, frozen=True):
    """The answers, in the order of the questions."""

    version: Version
    answers: list[BatchEntry]
