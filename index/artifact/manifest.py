"""Schema of a version's manifest."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from riyl.core.storage.scoring_settings import ScoringSettings
from riyl.core.storage.sealed import ChangeNumber, Count, FolderId

Modality = Annotated[str, Field(min_length=1, max_length=200)]


class _Check(TypedDict):
    name: str
    found: float
    wanted: str
    passed: bool
    advice: NotRequired[str]


class _Checks(TypedDict):
    passed: bool
    checks: list[_Check]


class _Counts(TypedDict):
    artists: Count
    embedded: Count
    not_embedded: dict[str, Count]
    by_pattern: dict[str, Count]


class _Probing(TypedDict):
    nprobe: Count
    nlist: Count
    recall: float
    artists: Count


class VersionManifest(TypedDict):
    """Fields of a version's manifest that are read."""

    id: FolderId
    model: FolderId
    model_name: str
    snapshot: FolderId
    last_change: ChangeNumber
    dim: Annotated[int, Field(ge=1, le=2**16, strict=True)]
    counts: _Counts
    patterns: list[list[Modality]]
    quality_checks: _Checks
    settings: dict[str, Any]
    evidence: list[Modality]
    parts: list[Modality]
    sets: list[Modality]
    scoring: NotRequired[ScoringSettings]
    absent_modalities: NotRequired[list[Modality]]
    ivf: NotRequired[_Probing]
    sizes: NotRequired[dict[str, dict[str, int]]]


SCHEMA = TypeAdapter(VersionManifest)
