"""Responses of /healthz and /readyz."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from riyl.app.schemas.artists import Version


class Alive(BaseModel, frozen=True):
    """Confirmation that the process runs."""

    status: str


class Refused(BaseModel, from_attributes=True):
    """Version that cannot be served."""

    version: Annotated[
        str | None, Field(description="Id of the version; null if CURRENT or the copy of the rules cannot be read.")
    ]
    reason: Annotated[str, Field(description="Reason why it cannot be served.")]


class OwnWorkerResponse(BaseModel, from_attributes=True):
    """State of the worker that the service started itself."""

    state: Annotated[
        Literal["starting", "running", "failed"],
        Field(description="failed: the worker has ended and will be restarted; no job runs until then."),
    ]
    reason: Annotated[str | None, Field(description="Reason why it last ended; null while it runs.")]
    failures: Annotated[int, Field(description="Number of times in a row that it ended within a minute.")]
    again_at: Annotated[datetime | None, Field(description="Time of the next restart.")]


class Ready(BaseModel, frozen=True):
    """Confirmation that the service answers queries."""

    status: Annotated[
        Literal["ready", "degraded"],
        Field(
            description="degraded: queries are answered, and hidden artists stay hidden, but `database` names a fault."
        ),
    ]
    version: Version
    refused: Annotated[
        Refused | None, Field(description="Newer promoted version that was refused; the last good version serves.")
    ]
    worker: Annotated[
        OwnWorkerResponse | None, Field(description="The service's own worker; omitted if it has none.")
    ] = None
    database: Annotated[
        str | None,
        Field(
            description="Fault of the database: it lacks rules, tombstones or promotions that this home has seen, and "
            "is therefore not trusted (with the remedy), or one of its files is damaged or cannot be written. Null if "
            "there is no such fault, also if the database cannot be reached."
        ),
    ]
