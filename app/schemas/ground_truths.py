"""What the API answers about ground truths."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, Field

from riyl.core.files import Manifest
from riyl.core.storage.ground_truth import Coverage


class TruthResponse(BaseModel, frozen=True):
    """A ground truth."""

    id: str
    name: str
    directed: Annotated[bool, Field(description="Whether a pair counts from artist_id to similar_id alone.")]
    source: Annotated[str, Field(description="File that it came from.")]
    pairs: Annotated[int, Field(ge=0, description="Pairs, each once.")]
    self_pairs: Annotated[int, Field(ge=0, description="Of an artist with itself: left out.")]
    double_pairs: Annotated[int, Field(ge=0, description="Given again, or the other way round: left out.")]

    @classmethod
    def of(cls, manifest: Manifest) -> TruthResponse:
        facts = {name: manifest[name] for name in ("id", "name", "directed", "source")}
        return cls(**facts, **manifest["counts"])


class KnownResponse(BaseModel):
    """How much of a truth a catalog knows."""

    version: Annotated[str | None, Field(description="Whose artists: the version's that serves,")]
    snapshot: Annotated[str | None, Field(description="or the newest snapshot's where none serves.")]
    pairs: Annotated[int, Field(ge=0, description="Pairs of which it has both artists.")]
    unknown_pairs: Annotated[int, Field(ge=0, description="The other ones, which count for nothing.")]
    artists: Annotated[int, Field(ge=0, description="Artists of the truth that it has.")]
    unknown_artists: Annotated[int, Field(ge=0, description="Those that it has not.")]
    examples: Annotated[list[str], Field(description="Five of these at most.")]


class TruthDetails(TruthResponse, frozen=True):
    """A ground truth, and how much of it is known."""

    known: Annotated[KnownResponse | None, Field(description="Null where there is neither a version nor a snapshot.")]
    warning: Annotated[str | None, Field(description="What is to be looked at: no pair is known.")]

    @classmethod
    def held(cls, manifest: Manifest, kind: str, catalog: str, coverage: Coverage) -> TruthDetails:
        """A truth held against a catalog: the version or snapshot with this id."""
        counts = KnownResponse(**{"version": None, "snapshot": None, kind: catalog, **asdict(coverage)})
        facts = TruthResponse.of(manifest).model_dump()
        return cls(**facts, known=counts, warning=coverage.warning(f"{kind} {catalog}"))


class DamagedTruth(BaseModel, frozen=True):
    """A truth that cannot be read."""

    truth: Annotated[str, Field(description="Its id.")]
    reason: Annotated[str, Field(description="What is wrong with it.")]


class TruthsResponse(BaseModel, frozen=True):
    """Every truth of the home, the newest first."""

    truths: list[TruthResponse]
    damaged: Annotated[list[DamagedTruth], Field(description="Those that cannot be read, and why.")]
