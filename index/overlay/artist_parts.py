"""Parts, evidence and terms behind the embedding of one artist, in a version or after changes."""

from __future__ import annotations

from collections.abc import Mapping

from riyl.core.types import Vector
from riyl.index.overlay.artists import Terms
from riyl.index.overlay.overlay import VersionOverlay


def parts_of_artist(overlay: VersionOverlay, row: int) -> Mapping[str, Vector]:
    """Return the artist's parts by modality, each (d,); they add up to its embedding."""
    parts = overlay.version.parts
    if row >= overlay.first:
        return overlay.artist(row).parts
    vectors = {name: modality_parts.of(row) for name, modality_parts in parts.items()}
    return {name: part for name, part in vectors.items() if part is not None}


def evidence_of(overlay: VersionOverlay, row: int) -> Mapping[str, int]:
    """Return the number of tags, listeners or tracks behind each modality that the artist has."""
    evidence = overlay.version.evidence
    if row >= overlay.first:
        return overlay.artist(row).evidence
    return {name: int(counts[row]) for name, counts in evidence.items() if counts[row]}


def terms_of_artist(overlay: VersionOverlay, row: int) -> Mapping[str, Terms]:
    """Return the artist's terms by modality, for modalities made of terms; empty where it has none."""
    sets = overlay.version.sets
    if row >= overlay.first:
        return overlay.artist(row).sets
    return {
        name: (
            modality_sets.terms[modality_sets.indptr[row] : modality_sets.indptr[row + 1]],
            modality_sets.weights[modality_sets.indptr[row] : modality_sets.indptr[row + 1]],
        )
        for name, modality_sets in sets.items()
    }
