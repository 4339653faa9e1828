"""What is said of an artist who is not in the catalog, checked; `what` is how messages call it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.types import Vector


def texts_of(weights: Mapping[str, float], what: str) -> list[str]:
    """The texts of what is weighted, after texts and weights were checked.

    Raises:
        InputError: there are none, one is blank or no Unicode text, or see `check_weights`.
    """
    if not weights:
        raise InputError(f"{what}: found none; wanted at least one")
    for text in weights:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{what}: found {text!r}, which is no Unicode text; wanted text") from error
        if not text.strip():
            raise InputError(f"{what}: found {text!r}; wanted text that is not blank")
    check_weights(what, weights)
    return list(weights)


def check_weights(what: str, weights: Mapping[str, float]) -> None:
    """Weights are finite and above 0.

    Raises:
        InputError: one is not; the message names its text.
    """
    for text, weight in weights.items():
        held = _as_float32(weight)
        if held is None or held.shape or not np.isfinite(held) or held <= 0:
            raise InputError(f"{what}: found {weight!r} of {text!r}; wanted a finite number above 0, as float32")


def numbers(what: str, vector: object, width: int) -> Vector:
    """(width,) float32.

    Raises:
        InputError: it is something else, or not finite.
    """
    values = _as_float32(vector)
    if values is None or values.shape != (width,):
        actual = "something else" if values is None else f"an array of shape {values.shape}"
        raise InputError(f"{what}: found {actual}; wanted {width} numbers")
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"{what}: found {values[at]} at position {at + 1}; wanted finite numbers, as float32")
    return values


def _as_float32(value: object) -> NDArray[np.float32] | None:
    """None where it is not numbers."""
    try:
        with np.errstate(over="ignore"):
            return np.asarray(value, np.float32)
    except (TypeError, ValueError, OverflowError):
        return None
