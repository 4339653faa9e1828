"""Subjects of a study: systems with their role, their parts, and their corrections of scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, cast

from riyl.core.errors import InputError
from riyl.core.storage.scoring_settings import NO_SCORING, ScoringSettings
from riyl.core.types import Mask, Vector
from riyl.evaluation.bias import BIASES, Bias, biased_system
from riyl.evaluation.retrieval import Evaluable, RankedLists
from riyl.evaluation.systems import Parts, Subset

OWN_BIAS = "own"
"""Name of the corrections that a system has by itself: those of a model's card, none for a matrix."""

Role: TypeAlias = Literal["system", "subset", "seed", "floor"]


@dataclass(frozen=True)
class Subject:
    """A system of a study.

    Attributes:
        system: the system, which gives the scores.
        role: "system", compared with the others; "subset", a system of the study that is given only some modalities;
            "seed", one trained again from another seed; "floor", a baseline that any system must exceed.
        of: name of the system behind a subset or a seed.
        subset: the modalities given to a subset.
        seed: seed of its training, if it was trained.
        parts: the system's parts by modality; None if it has none, and then it takes no part in the groups.
        missing: by modality (d,) the part of every artist that lacks it; empty where a missing modality adds nothing.
        scoring: corrections to apply in the groups too.
        bias: correction that replaces `scoring`, also in the groups; None where `scoring` holds.
        unseen: (n,) bool, the artists that it was not fitted on; None where that is not known, or true of all.
        history: what is known of the artists that it was fitted on, for readers of the tables.
        catalog: name of the catalog whose data it uses; None for the first catalog, whose artists are the study's.
    """

    system: Evaluable
    role: Role = "system"
    of: str | None = None
    subset: Subset | None = None
    seed: int | None = None
    parts: Parts | None = None
    missing: Mapping[str, Vector] = field(default_factory=dict)
    scoring: ScoringSettings = NO_SCORING
    bias: Bias | None = None
    unseen: Mask | None = None
    history: str | None = None
    catalog: str | None = None

    @property
    def name(self) -> str:
        return self.system.name


def leaves_out_own(biases: Sequence[str]) -> bool:
    """Check whether `with_biases` replaces the corrections that a system has by itself, so that none need be fitted."""
    return bool(biases) and OWN_BIAS not in biases


def with_biases(entries: Iterable[Subject], biases: Sequence[str], *, threads: int = 1) -> Iterator[Subject]:
    """Yield subjects with each of several corrections of scores, so that their gain is told apart from the encoder's.

    With several corrections, the name of a system is followed by that of its correction, such as "default [csls]".
    Ready lists have no scores to correct, and are yielded once, as they are.

    Args:
        entries: the subjects.
        biases: `OWN_BIAS` or `riyl.evaluation.bias.BIASES`, each once; none is the same as `OWN_BIAS`.
        threads: threads of the fits.

    Raises:
        InputError: a correction is unknown or named twice.
    """
    unknown = [bias for bias in biases if bias not in (OWN_BIAS, *BIASES)]
    if unknown or len(set(biases)) < len(biases):
        wanted = ", ".join((OWN_BIAS, *BIASES))
        raise InputError(f"bias: found {', '.join(unknown or biases)}; wanted some of {wanted}, each once")
    return _with_biases(entries, biases or [OWN_BIAS], threads)


def _with_biases(entries: Iterable[Subject], biases: Sequence[str], threads: int) -> Iterator[Subject]:
    for subject in entries:
        plain = subject.system
        if isinstance(plain, RankedLists) or plain.vectors is None:
            yield subject
            continue
        for bias in biases:
            suffix = f" [{bias}]" if len(biases) > 1 else ""
            name, of = subject.name + suffix, None if subject.of is None else subject.of + suffix
            if bias == OWN_BIAS:
                yield replace(subject, system=replace(plain, name=name), of=of)
                continue
            chosen = cast("Bias", bias)
            system = biased_system(name, plain.vectors, plain.covered, chosen, threads=threads)
            yield replace(subject, system=system, of=of, bias=chosen)
