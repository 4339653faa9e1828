"""Responses of the routes of ground truths."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, Field

from riyl.core.files import Manifest
from riyl.core.storage.ground_truth import Coverage


class TruthResponse(BaseModel, frozen=True):
    """Ground truth."""

    id: str
    name: str
    directed: Annotated[bool, Field(description="Whether pairs count only from artist_id to similar_id.")]
    source: Annotated[str, Field(description="File that it was read from.")]
    pairs: Annotated[int, Field(ge=0, description="Number of distinct pairs.")]
    self_pairs: Annotated[int, Field(ge=0, description="Skipped pairs of an artist with itself.")]
    double_pairs: Annotated[int, Field(ge=0, description="Skipped repeated pairs, in either direction.")]

    @classmethod
    def of(cls, manifest: Manifest) -> TruthResponse:
        facts = {name: manifest[name] for name in ("id", "name", "directed", "source")}
        return cls(**facts, **manifest["counts"])


class KnownResponse(BaseModel):
    """Coverage of a ground truth by a catalog."""

    version: Annotated[str | None, Field(description="Id of the version that serves, if it is the catalog.")]
    snapshot: Annotated[str | None, Field(description="Id of the newest snapshot, the catalog if no version serves.")]
    pairs: Annotated[int, Field(ge=0, description="Pairs of which the catalog has both artists.")]
    unknown_pairs: Annotated[int, Field(ge=0, description="Other pairs, which are not used.")]
    artists: Annotated[int, Field(ge=0, description="Artists of the ground truth that the catalog has.")]
    unknown_artists: Annotated[int, Field(ge=0, description="Artists of the ground truth that it lacks.")]
    examples: Annotated[list[str], Field(description="At most five of the artists that it lacks.")]


class TruthDetails(TruthResponse, frozen=True):
    """Ground truth, and its coverage by the catalog."""

    known: Annotated[KnownResponse | None, Field(description="Null if there is neither a version nor a snapshot.")]
    warning: Annotated[str | None, Field(description="Warning that no pair is known.")]

    @classmethod
    def held(cls, manifest: Manifest, kind: str, catalog: str, coverage: Coverage) -> TruthDetails:
        """Describe a ground truth and its coverage by a catalog: the version or snapshot with this id."""
        counts = KnownResponse(**{"version": None, "snapshot": None, kind: catalog, **asdict(coverage)})
        facts = TruthResponse.of(manifest).model_dump()
        return cls(**facts, known=counts, warning=coverage.warning(f"{kind} {catalog}"))


class DamagedTruth(BaseModel, frozen=True):
    """Ground truth that cannot be read."""

    truth: Annotated[str, Field(description="Id of the ground truth.")]
    reason: Annotated[str, Field(description="Reason why it cannot be read.")]


class TruthsResponse(BaseModel, frozen=True):
    """All ground truths of the home, the newest first."""

    truths: list[TruthResponse]
    damaged: Annotated[list[DamagedTruth], Field(description="Ground truths that cannot be read.")]
