"""Whether the service runs, and whether it answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from riyl.app.schemas.artists import Version


class Alive(BaseModel, frozen=True):
    """The process runs."""

    status: str


class Refused(BaseModel, from_attributes=True):
    """A promoted version that is not served."""

    version: Annotated[
        str | None, Field(description="Its id; null where CURRENT or the copy of the rules cannot be read.")
    ]
    reason: Annotated[str, Field(description="What is wrong with it.")]


class OwnWorkerResponse(BaseModel, from_attributes=True):
    """How the worker is that the service started for itself."""

    state: Annotated[
        Literal["starting", "running", "failed"],
        Field(description="failed: it has ended, and is started again; no job runs meanwhile."),
    ]
    reason: Annotated[str | None, Field(description="Why it ended last; null from when it runs.")]
    failures: Annotated[int, Field(description="Times in a row that it ended within a minute.")]
    again_at: Annotated[datetime | None, Field(description="When it is started again.")]


class Ready(BaseModel, frozen=True):
    """The service answers queries."""

    status: Annotated[
        Literal["ready", "degraded"],
        Field(description="degraded: queries are answered, and nothing that is hidden is shown, but see `database`."),
    ]
    version: Version
    refused: Annotated[
        Refused | None, Field(description="A newer promoted version that was refused; the last good one serves.")
    ]
    worker: Annotated[
        OwnWorkerResponse | None, Field(description="The service's own worker; left out where it has none.")
    ] = None
    database: Annotated[
        str | None,
        Field(
            description="Why the database is not believed, which lacks rules, tombstones or promotions that this home "
            "has seen, and what settles that, or which of its files is damaged, or cannot be written; null where "
            "there is nothing of these, also where the database cannot be reached."
        ),
    ]
