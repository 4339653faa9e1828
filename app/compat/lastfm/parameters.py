"""Parameters of a Last.fm request, which come in the query, in a form body, or in both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl

from starlette.types import Scope

from riyl.app.compat.lastfm.errors import INVALID_PARAMETERS, LastfmError

Parameters: TypeAlias = Mapping[str, str]
"""Values by name; of a repeated parameter the last one, and empty ones are left out."""

PARAMETERS = "riyl.lastfm.parameters"
"""Key of the parameters in a request's ASGI scope."""

FORM = b"application/x-www-form-urlencoded"

MISSING = "Invalid parameters - Your request is missing a required parameter"


def read_parameters(scope: Scope, body: bytes = b"") -> Parameters:
    """Parse the query and a form body, whose values count where both have a parameter, and keep them in the scope."""
    parameters = _parsed(scope["query_string"])
    if body and _is_form(scope):
        parameters |= _parsed(body)
    scope[PARAMETERS] = parameters
    return parameters


def kept_parameters(scope: Scope) -> Parameters:
    """Return the parameters that were last read from a request, else those of its query."""
    parameters: Parameters | None = scope.get(PARAMETERS)
    return read_parameters(scope) if parameters is None else parameters


def format_of(parameters: Parameters) -> str:
    """Return the format of the response in lower case; XML where the request names none."""
    return parameters.get("format", "xml").lower()


def method_of(parameters: Parameters) -> str:
    """Return the method in lower case; clients spell it in both ways."""
    return parameters.get("method", "").lower()


def required(parameters: Parameters, name: str) -> str:
    """Return a parameter.

    Raises:
        LastfmError: it is missing.
    """
    if name not in parameters:
        raise LastfmError(INVALID_PARAMETERS, f"{MISSING}: {name}")
    return parameters[name]


def number(parameters: Parameters, name: str, default: int, most: int) -> int:
    """Return a parameter as a number from 1 to `most`; a larger one counts as `most`.

    Raises:
        LastfmError: it is no whole number above 0.
    """
    text = parameters.get(name, str(default)).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise LastfmError(
            INVALID_PARAMETERS, f"Invalid parameters - {name}: found {text[:20]!r}; wanted a number from 1"
        )
    return min(int(text), most)


def _parsed(text: bytes) -> dict[str, str]:
    return dict(parse_qsl(text.decode("utf-8", "replace"), errors="replace"))


def _is_form(scope: Scope) -> bool:
    """Return whether the body is a form; one without a type is read as a form too."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            return bool(value.partition(b";")[0].strip().lower() == FORM)
    return True
