"""Request bodies that may be large: parsed and validated in a worker thread, in one pass."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from threading import Lock
from typing import Any

from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import HTTPException, RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from riyl.app.http.strict_route import StrictRoute
from riyl.core.errors import InputError

MAX_CONTAINERS = 20_000
"""Maximum number of lists and objects in a JSON body: each takes longer to parse than thousands of bytes of numbers."""

LARGE_BYTES = 64 << 10
"""Size from which bodies are read one at a time, in bytes.

Reading holds the interpreter: several at once would end no sooner, and other requests would wait for all of them.
"""

_reading_large = Lock()

STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


def body_errors(error: ValidationError) -> list[dict[str, Any]]:
    """Return the errors of a body as FastAPI reports them: each location begins with "body"."""
    return [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]


def check_containers(text: bytes, most: int = MAX_CONTAINERS) -> None:
    """Check that JSON has few enough lists and objects to be parsed without blocking the interpreter.

    Raises:
        InputError: it has more than `most`.
    """
    if _containers(text) > most and _containers(STRING.sub(b"", text)) > most:
        raise InputError(f"body: found more than {most:,} lists and objects; wanted at most that many")


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


class OffLoopBodyRoute(StrictRoute):
    """Route whose body, if it is a model, is read in a worker thread.

    The OpenAPI document and error responses are those of any other route.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which receives a request that reads its body in a worker thread."""
        handle = super().get_route_handler()
        model = None if self.body_field is None else self.body_field.field_info.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return handle

        async def handler(request: Request) -> Response:
            try:
                return await handle(_ReadAside(request.scope, request.receive, model))
            except _InvalidBody as invalid:
                raise RequestValidationError(invalid.errors) from None

        return handler


class _InvalidBody(HTTPException):
    """Carries the errors of a body through FastAPI, which passes on no other exception while it reads the body."""

    def __init__(self, error: ValidationError) -> None:
        super().__init__(422)
        self.errors = body_errors(error)


class _ReadAside(Request):
    def __init__(self, scope: Scope, receive: Receive, model: type[BaseModel]) -> None:
        super().__init__(scope, receive)
        self._model = model

    async def json(self) -> Any:
        """Return the model, which FastAPI accepts as it is."""
        return await run_in_threadpool(_read, self._model, await self.body())


def _read(model: type[BaseModel], body: bytes) -> Any:
    with _reading_large if len(body) > LARGE_BYTES else nullcontext():
        check_containers(body)
        try:
            return model.model_validate_json(body)
        except ValidationError:
            try:
                # the way of FastAPI, whose errors are reported
                return model.model_validate(json.loads(body), from_attributes=True)
            except ValidationError as error:
                raise _InvalidBody(error) from None
