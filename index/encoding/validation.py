"""Checks of the input of an artist outside the catalog; `what` names the input in error messages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from riyl.core.errors import InputError
from riyl.core.types import Vector


def texts_of(weights: Mapping[str, float], what: str) -> list[str]:
    """Check weighted texts and return the texts.

    Raises:
        InputError: there are none, a text is blank or no Unicode text, or as `check_weights`.
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
    """Check that weights are finite and above 0.

    Raises:
        InputError: a weight is not; the message names its text.
    """
    for text, weight in weights.items():
        held = _as_float32(weight)
        if held is None or held.shape or not np.isfinite(held) or held <= 0:
            raise InputError(f"{what}: found {weight!r} of {text!r}; wanted a finite number above 0, as float32")


def numbers(what: str, vector: object, width: int) -> Vector:
    """Convert to (width,) float32.

    Raises:
        InputError: the value is not `width` numbers, or not finite.
    """
    values = _as_float32(vector)
    if values is None or values.shape != (width,):
        actual = "no array of numbers" if values is None else f"an array of shape {values.shape}"
        raise InputError(f"{what}: found {actual}; wanted {width} numbers")
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"{what}: found {values[at]} at position {at + 1}; wanted finite numbers, as float32")
    return values


def _as_float32(value: object) -> NDArray[np.float32] | None:
    """Convert to float32; None where the value is not numbers."""
    try:
        with np.errstate(over="ignore"):
            return np.asarray(value, np.float32)
    except (TypeError, ValueError, OverflowError):
        return None
