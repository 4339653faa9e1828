"""Filters on attributes, listeners, popularity and modalities, evaluated as a mask over a version and its changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.types import Mask
from riyl.index.overlay.overlay import VersionOverlay

Scalar: TypeAlias = str | bool | int | float
Bound = TypeVar("Bound", float, Scalar)


@dataclass(frozen=True)
class Range(Generic[Bound]):
    """A range from `low` to `high`, both inclusive; None is no bound."""

    low: Bound | None = None
    high: Bound | None = None


@dataclass(frozen=True)
class AttributeFilter:
    """Conditions on an attribute, or on one entry of it where it is a list; all given conditions must hold.

    Attributes:
        any_of: accepted values.
        within: accepted range.
        missing: true to require that the artist lacks the attribute, false to require that it has it.
    """

    any_of: tuple[Scalar, ...] | None = None
    within: Range[Scalar] | None = None
    missing: bool | None = None


@dataclass(frozen=True)
class Filters:
    """Conditions that must all hold.

    Attributes:
        attributes: conditions by attribute name.
        listeners: range of the number of distinct listeners.
        popularity: range from 0 to 1 of the share of artists with fewer listeners; artists with equally many count
            half.
        modalities: the artist must have all of these.
    """

    attributes: Mapping[str, AttributeFilter] = field(default_factory=dict)
    listeners: Range[float] = Range()
    popularity: Range[float] = Range()
    modalities: tuple[str, ...] = ()


def passing(overlay: VersionOverlay, filters: Filters) -> Mask:
    """Return a mask of the artists that meet all conditions, (n + m,) bool; rows with a tombstone are included.

    Raises:
        InputError: an attribute or modality is unknown, or a value does not fit the attribute's type.
    """
    mask = np.ones(overlay.n_rows, bool)
    for name, wanted in filters.attributes.items():
        if name not in overlay.attributes:
            expected = (
                f"one of {', '.join(overlay.attributes)}" if overlay.attributes else "none: no artist has attributes"
            )
            raise InputError(f"attributes: found {name!r:.100}; wanted {expected}")
        mask &= np.concatenate([_holding(name, column, wanted) for column in overlay.column(name)])
    if filters.listeners != Range():
        mask &= _within(overlay.listeners.whole(), filters.listeners)
    if filters.popularity != Range():
        mask &= _within((overlay.popularity.whole() + 1) / 2, filters.popularity)
    if filters.modalities:
        version = overlay.version
        unknown = sorted(set(filters.modalities) - set(version.modalities))
        if unknown:
            raise InputError(f"modalities: found {unknown[0]!r}; wanted some of {', '.join(version.modalities)}")
        fits = np.array([set(filters.modalities) <= set(pattern) for pattern in overlay.patterns])
        mask &= fits[overlay.patterns_of.whole()]
    return mask


def _within(values: NDArray[np.integer] | NDArray[np.floating], within: Range[float]) -> Mask:
    low, high = (-np.inf if within.low is None else within.low, np.inf if within.high is None else within.high)
    return np.asarray((values >= low) & (values <= high))


def _holding(name: str, column: pa.Array, wanted: AttributeFilter) -> Mask:
    mask = np.ones(len(column), bool)
    if wanted.missing is not None:
        mask &= _plain(pc.is_null(column)) == wanted.missing
    for holds in _conditions(name, column, wanted):
        mask &= holds
    return mask


def _conditions(name: str, column: pa.Array, wanted: AttributeFilter) -> Iterator[Mask]:
    listed = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    values = pc.list_flatten(column) if listed else column
    conditions = []
    if wanted.any_of is not None:
        those = _typed(name, wanted.any_of, values.type)
        conditions.append(pc.equal(values, those[0]) if len(those) == 1 else pc.is_in(values, those))
    if wanted.within is not None:
        for bound, compare in ((wanted.within.low, pc.greater_equal), (wanted.within.high, pc.less_equal)):
            if bound is not None:
                conditions.append(compare(values, _typed(name, (bound,), values.type)[0]))
    for holds in map(_plain, conditions):
        if listed:
            mask = np.zeros(len(column), bool)
            mask[pc.list_parent_indices(column).to_numpy()[holds]] = True
            yield mask
        else:
            yield holds


def _typed(name: str, values: Sequence[Scalar], kind: pa.DataType) -> pa.Array:
    """Convert values to the attribute's type.

    Raises:
        InputError: a value does not fit it.
    """
    for value in values:
        as_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_temporal(kind)
        as_bool = pa.types.is_boolean(kind)
        fits = isinstance(value, str) if as_text else isinstance(value, bool) == as_bool and not isinstance(value, str)
        if not fits:
            raise InputError(f"attributes.{name}: found {value!r:.100}; wanted a value of type {kind}")
    try:
        if pa.types.is_temporal(kind):
            return pa.array(list(values), pa.string()).cast(kind)
        if pa.types.is_integer(kind) and any(isinstance(value, float) for value in values):
            return pa.array([float(value) for value in values], pa.float64())
        return pa.array(list(values), kind)
    except (pa.ArrowException, OverflowError) as error:
        raise InputError(f"attributes.{name}: found {values[0]!r:.100}; wanted a value of type {kind}") from error


def _plain(values: pa.BooleanArray) -> Mask:
    """Convert to a mask, (m,) bool; null becomes false."""
    if not len(values):
        return np.zeros(0, bool)
    filled = pc.fill_null(values, False)
    bits = np.frombuffer(filled.buffers()[1], np.uint8)  # ten times as fast as to_numpy
    return np.unpackbits(bits, count=filled.offset + len(filled), bitorder="little")[filled.offset :].view(bool)
