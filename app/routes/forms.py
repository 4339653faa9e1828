"""Forms of uploads: the parts that they may have, and the errors of reading them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from tempfile import gettempdir
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from riyl.app.http.media_types import FORM
from riyl.app.services.uploads import UploadedFile
from riyl.core.errors import InputError
from riyl.core.storage.ground_truth import MAX_NAME_LENGTH

MAX_UPLOAD_BYTES = 64 << 20

MAX_FIELD_BYTES = 1 << 12
"""Maximum size of a part that is not a file, in bytes; every such part is refused, with its name."""


def body_of_form(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a form as the body of an operation, from the schema of its parts."""
    return {"requestBody": {"required": True, "content": {FORM: {"schema": {"type": "object", **schema}}}}}


def file_schema(description: str) -> dict[str, str]:
    """Return the schema of a part that is a file."""
    return {"type": "string", "format": "binary", "description": description}


@asynccontextmanager
async def received_form(request: Request, *, most_parts: int, wanted: str) -> AsyncIterator[FormData]:
    """Receive a form, whose files lie in temporary files until the block ends.

    Args:
        request: the request.
        most_parts: maximum number of files, and of other parts.
        wanted: a part that the form must have, for errors.

    Raises:
        InputError: the body is no form, has too many or too large parts, or ends early; also if the client leaves
            while the block waits.
        OSError: the temporary files cannot be written; it names their folder.
    """
    try:
        async with request.form(max_files=most_parts, max_fields=most_parts, max_part_size=MAX_FIELD_BYTES) as form:
            yield form
    except HTTPException as error:
        detail = f"found no readable {FORM} ({error.detail}); wanted one with a part {wanted}"
        raise InputError(f"body: {detail}") from error
    except ClientDisconnect as error:
        raise InputError("body: found an early end; wanted the whole body") from error
    except OSError as error:
        if not error.errno or error.filename is not None:
            raise
        # an error of the code that spools the parts, which does not name the folder
        raise OSError(error.errno, error.strerror, gettempdir()) from error


def file_of(form: FormData, name: str, endings: Sequence[str]) -> UploadedFile:
    """Return a part of the form as a file; the ending of its name gives its format.

    Raises:
        InputError: the part is missing, repeated or not a file, or the name has another ending.
    """
    values = form.getlist(name)
    shown_part = name[:MAX_NAME_LENGTH]
    if len(values) != 1 or not isinstance(values[0], UploadFile):
        raise InputError(
            f"body.{shown_part}: found {_told(values)}; wanted one file, as curl -F {shown_part}=@FILE sends it"
        )
    shown = PurePosixPath((values[0].filename or "").replace("\\", "/")).name
    if PurePosixPath(shown).suffix not in endings:
        wanted = f"one that ends in {', '.join(endings)}"
        raise InputError(f"body.{shown_part}: found a file called {shown[:MAX_NAME_LENGTH]!r}; wanted {wanted}")
    return UploadedFile(values[0].file, shown)


def unknown_part(name: str, wanted: str) -> InputError:
    """Return the error for a part that the form must not have."""
    shown_part = f"a part called {name[:MAX_NAME_LENGTH]!r}"
    return InputError(f"body: found {shown_part}; wanted {wanted} (other values go into the address)")


def _told(parts: Sequence[object]) -> str:
    return "nothing" if not parts else "text without a file name" if len(parts) == 1 else f"{len(parts)} of them"
