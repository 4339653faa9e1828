"""Requests and responses of POST similar."""

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
"""Maximum number of answers of all queries of a batch together."""
MAX_SHARES = 200_000
"""Maximum number of shares in all explained answers of a request: each answer has one share per artist of the query."""
HEAVY_SHARES = 10_000
"""Number of shares of a request, some 10 MiB of memory, above which it must not run beside another such request."""
MAX_TEXT_LENGTH = 1000
MAX_FIELDS = 100
"""Maximum number of fields of an object, known or not."""
SHOWN_UNKNOWN = 100


def few_fields(value: Any) -> Any:
    """Refuse an object with too many fields, before each of them is reported as unknown."""
    if isinstance(value, dict) and len(value) > MAX_FIELDS:
        raise ValueError(f"at most {MAX_FIELDS} fields, not {len(value)}")
    return value


def at_most(entries: int) -> BeforeValidator:
    """Refuse an object with more entries, before each entry is validated: each may be an error to report."""

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
"""Validator that refuses True as the number 1. It stands after a type's bounds, so that pydantic describes these."""

Weight = Annotated[float, Field(gt=0, le=1e9, description="Weight relative to the others."), NUMBER]


class Question(BaseModel):
    """Base of all parts of a query: unknown fields are refused, and numbers must be finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:
        return few_fields(value)


class Seed(Question):
    """Artist, named by one of id, mbid and name."""

    id: Annotated[Text | None, Field(description="The catalog's own id.")] = None
    mbid: Annotated[Text | None, Field(description="MusicBrainz id; 409 if several artists have it.")] = None
    name: Annotated[Text | None, Field(description="Whole name as people type it; 409 if several artists fit.")] = None
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _one(self) -> Seed:
        if sum(value is not None for value in (self.id, self.mbid, self.name)) != 1:
            raise ValueError("one of id, mbid and name")
        return self


class Bounds(Question):
    """Range from gte to lte, both included."""

    gte: Annotated[float | None, NUMBER] = None
    lte: Annotated[float | None, NUMBER] = None

    @model_validator(mode="after")
    def _in_order(self) -> Bounds:
        if self.gte is not None and self.lte is not None and self.gte > self.lte:
            raise ValueError("gte at most lte, else nothing can match")
        return self


class Condition(Question):
    """Condition on an attribute; if its value is a list, on one entry. All given fields must hold."""

    eq: Annotated[Scalar | None, Field(description="Equal to this value.")] = None
    in_: Annotated[
        list[Scalar] | None, Field(alias="in", max_length=1000, fail_fast=True, description="One of these values.")
    ] = None
    gte: Annotated[Scalar | None, Field(description="At least this value; texts and dates by their order.")] = None
    lte: Annotated[Scalar | None, Field(description="At most this value.")] = None
    missing: Annotated[bool | None, Field(description="Whether the artist must lack the attribute.")] = None

    @model_validator(mode="after")
    def _possible(self) -> Condition:
        wants = [value for value in (self.eq, self.in_, self.gte, self.lte) if value is not None]
        if not wants and self.missing is None:
            raise ValueError("at least one of eq, in, gte, lte and missing")
        if wants and self.missing:
            raise ValueError("missing alone: a missing attribute has no value")
        if self.eq is not None and self.in_ is not None:
            raise ValueError("eq or in, not both")
        return self


class FiltersRequest(Question):
    """Conditions on the artists in the answer; all must hold."""

    attributes: Annotated[
        dict[Text, Condition],
        Field(max_length=20, description="Conditions by the name of a column of the artists table."),
        at_most(20),
    ] = {}
    listeners: Annotated[Bounds, Field(description="Number of distinct listeners.")] = Bounds()
    popularity: Annotated[
        Bounds,
        Field(
            description="Popularity from 0 to 1: share of the artists with fewer listeners, plus half of those with "
            "equally many."
        ),
    ] = Bounds()
    modalities: Annotated[
        list[Text], Field(max_length=20, fail_fast=True, description="Modalities that the artist must all have.")
    ] = []


class SimilarRequest(Question):
    """Query for artists that are similar to seeds, tags, vectors and plays together."""

    seeds: Annotated[list[Seed], Field(max_length=MAX_SEEDS, fail_fast=True, description="Seed artists.")] = []
    avoid: Annotated[
        list[Seed], Field(max_length=MAX_SEEDS, fail_fast=True, description="Artists to be dissimilar to.")
    ] = []
    tags: Annotated[
        dict[Text, Weight],
        Field(
            max_length=MAX_TAGS,
            description="Weights by tag, which describe an artist that need not be in the catalog. Together with "
            "`vectors` they count as one seed of weight 1. The answer names tags that the model does not know.",
        ),
        at_most(MAX_TAGS),
    ] = {}
    vectors: Annotated[
        dict[Text, Annotated[list[float], Field(max_length=4096, fail_fast=True)]],
        Field(
            max_length=20,
            description="Vectors of this artist by modality, in the featurizer's space; each is followed by the blocks "
            "that the model takes of the modality.",
        ),
        at_most(20),
    ] = {}
    plays: Annotated[
        dict[Text, Weight],
        Field(
            max_length=MAX_PLAYS,
            description="Play counts of a listener, by artist id or mbid. They are seeds weighted by log(1 + count), "
            "which count together as one seed of weight 1. The answer names unknown artists.",
        ),
        at_most(MAX_PLAYS),
    ] = {}
    k: Annotated[int, Field(ge=1, le=MAX_K, description="Maximum number of similar artists."), NUMBER] = 10
    filters: FiltersRequest = FiltersRequest()
    exclude: Annotated[
        list[Text],
        Field(
            max_length=MAX_EXCLUDED,
            fail_fast=True,
            description="Ids or mbids of artists to omit from the answer; an mbid omits all artists that share it.",
        ),
    ] = []
    diversity: Annotated[
        float,
        Field(ge=0, le=1, description="0 for the best artists; 1 for artists as unlike each other as possible."),
        NUMBER,
    ] = 0.0
    popularity: Annotated[float, Field(ge=-1, le=1, description="-1 prefers obscure, 1 popular artists."), NUMBER] = 0.0
    min_score: Annotated[float | None, Field(ge=-10, le=10, description="Minimum score."), NUMBER] = None
    uncorrected: Annotated[bool, Field(description="Score by cosine alone, without corrections.")] = False
    explain: Annotated[bool, Field(description="Add the reasons to each artist of the answer.")] = False

    @model_validator(mode="after")
    def _something(self) -> SimilarRequest:
        if not (self.seeds or self.tags or self.vectors or self.plays):
            raise ValueError("at least one of seeds, tags, vectors and plays")
        _check_shares(self.n_shares)
        return self

    @property
    def n_shares(self) -> int:
        """Maximum number of shares that the answer explains: one per similar artist and artist of the query."""
        return self.k * (len(self.seeds) + len(self.avoid) + len(self.plays) + 1) if self.explain else 0


class BatchRequest(Question):
    """Batch of queries."""

    queries: Annotated[list[SimilarRequest], Field(min_length=1, max_length=MAX_QUERIES, fail_fast=True)]

    @model_validator(mode="after")
    def _bounded(self) -> BatchRequest:
        if sum(query.k for query in self.queries) > MAX_ANSWERS:
            raise ValueError(f"at most {MAX_ANSWERS} answers in all: fewer queries, or smaller k")
        _check_shares(self.n_shares)
        return self

    @property
    def n_shares(self) -> int:
        """Maximum number of shares that all answers together explain."""
        return sum(query.n_shares for query in self.queries)


def _check_shares(n_shares: int) -> None:
    if n_shares > MAX_SHARES:
        raise ValueError(
            f"at most {MAX_SHARES} shares to explain, not {n_shares} (k times the artists of the query): a smaller k, "
            "fewer seeds or plays, or no explain"
        )


class ResolvedSeed(BaseModel):
    """Artist of the query, as it was resolved."""

    id: Id
    name: Name
    weight: float


class ResolvedQuery(BaseModel):
    """Query as it was resolved."""

    seeds: list[ResolvedSeed]
    avoid: list[ResolvedSeed]
    tags: Annotated[dict[str, float], Field(description="Known tags, as the model spells them.")]
    unknown_tags: list[str]
    plays: Annotated[int, Field(description="Number of the listener's artists that were used.")]
    unknown_plays: Annotated[
        list[str],
        Field(
            description="The listener's artists that do not exist, have no data, or share their mbid with others; at "
            f"most {SHOWN_UNKNOWN}."
        ),
    ]


class QueryResponse(BaseModel, frozen=True):
    """Most similar artists, best first; fewer than k if no more exist."""

    version: Version
    asked: ResolvedQuery
    similar: list[Explained] | list[Similar]


class BatchProblem(BaseModel):
    """Reason why a query of a batch has no answer."""

    title: str
    status: int
    detail: str


class BatchEntry(BaseModel):
    """Answer to one query of a batch, or its problem."""

    answer: QueryResponse | None
    problem: BatchProblem | None


class BatchResponse(BaseModel, frozen=True):
    """Answers, in the order of the queries."""

    version: Version
    answers: list[BatchEntry]
