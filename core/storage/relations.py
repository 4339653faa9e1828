"""Relations: ground truths whose pairs supervise the training of a model, each with a weight."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NotRequired

from typing_extensions import TypedDict

from riyl.core.errors import InputError
from riyl.core.storage.ground_truth import Truth

MIN_WEIGHT, MAX_WEIGHT = 1e-6, 1e6
"""Range of the weight of a relation; sums of such weights are exact enough in 32 bits."""


@dataclass(frozen=True)
class Relation:
    """Pairs of similar artists, and the weight of each of them beside the pairs of other relations.

    Attributes:
        truth: the pairs.
        weight: from `MIN_WEIGHT` to `MAX_WEIGHT`. Only the ratios of the weights of a training matter.
    """

    truth: Truth
    weight: float = 1.0


class RelationEntry(TypedDict):
    """Fields of a relation in a model's card that are read."""

    id: str
    weight: float


class SupervisionEntry(TypedDict):
    """Supervision of a model: its relations, or in an older card the id of the only one."""

    id: NotRequired[str]
    relations: NotRequired[list[RelationEntry]]


def parse_relations(texts: Sequence[str], endings: Collection[str] = ()) -> list[tuple[str, float]]:
    """Split relations written as NAME=WEIGHT, or as NAME, which has weight 1.

    The last = separates the weight, so a name that contains = needs a weight.

    Args:
        texts: the relations.
        endings: endings of files; a text with such an ending is a name as a whole.

    Returns:
        Name and weight of each, in the given order.

    Raises:
        InputError: a name is empty or occurs twice, or a weight is not a number from `MIN_WEIGHT` to `MAX_WEIGHT`.
    """
    relations: dict[str, float] = {}
    for text in texts:
        name, equals, weight = text.rpartition("=")
        if not equals or text.endswith(tuple(endings)):
            name, weight = text, "1"
        if not name:
            raise InputError(f"supervision: found {text!r}; wanted NAME or NAME=WEIGHT")
        if name in relations:
            raise InputError(f"supervision: found {name} twice; wanted each relation once, with one weight")
        relations[name] = _weight(weight, name)
    return list(relations.items())


def check_distinct(relations: Sequence[Relation]) -> None:
    """Check that no two relations have the same pairs, such as by the name and by the id of one ground truth.

    Raises:
        InputError: two have.
    """
    ids = [relation.truth.id for relation in relations]
    for relation in relations:
        if ids.count(relation.truth.id) > 1:
            raise InputError(
                f"supervision: found {relation.truth.name} ({relation.truth.id}) twice; wanted each relation once, "
                "with one weight"
            )


def _weight(text: str, name: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = float("nan")
    if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise InputError(
            f"supervision: found weight {text!r} of {name}; wanted a number from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}"
        )
    return weight
