"""Contents of a home as plain rows, the newest first; a damaged folder has the reason in the column unreadable."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from riyl.core.errors import FormatError
from riyl.core.settings import Home
from riyl.core.storage.entries import by_age
from riyl.core.storage.ground_truth import truths
from riyl.core.storage.model import Model, model_states
from riyl.core.storage.snapshot import MANIFEST, Snapshot
from riyl.index.versions import lifecycle

TEXT, COUNT, FLAG = pa.string(), pa.int64(), pa.bool_()

SNAPSHOTS = pa.schema({"id": TEXT, "artists": COUNT, "modalities": TEXT, "featurizer": TEXT, "unreadable": TEXT})

MODELS = pa.schema(
    {
        "id": TEXT,
        "name": TEXT,
        "method": TEXT,
        "dim": COUNT,
        "seed": COUNT,
        "snapshot": TEXT,
        "featurizer": TEXT,
        "commit": TEXT,
        "trained_at": pa.timestamp("us", "UTC"),
        "current": FLAG,
        "unreadable": TEXT,
    }
)

VERSIONS = pa.schema(
    {
        "id": TEXT,
        "model": TEXT,
        "model_name": TEXT,
        "snapshot": TEXT,
        "artists": COUNT,
        "embedded": COUNT,
        "passed": FLAG,
        "current": FLAG,
        "unreadable": TEXT,
    }
)

TRUTHS = pa.schema({"id": TEXT, "name": TEXT, "pairs": COUNT, "directed": FLAG, "source": TEXT, "unreadable": TEXT})

Row = dict[str, Any]


def snapshot_rows(home: Home) -> list[Row]:
    """Describe each snapshot: columns of `SNAPSHOTS`; modalities are joined by "+"."""
    rows: list[Row] = []
    for path in reversed(by_age(home.snapshots, MANIFEST)):
        try:
            snapshot = Snapshot.open(path.parent)
        except FormatError as error:
            rows.append({"id": path.parent.name, "unreadable": str(error)})
            continue
        rows.append(
            {
                "id": snapshot.id,
                "artists": snapshot.n_artists,
                "modalities": "+".join(snapshot.modalities),
                "featurizer": snapshot.featurizer_id,
            }
        )
    return rows


def model_rows(home: Home) -> list[Row]:
    """Describe each model: columns of `MODELS`; current is the model of the current version.

    Baselines that were fitted for an evaluation come last, whatever their age.
    """
    current = lifecycle.current_model(home.versions)
    return [
        {**state.summary, "current": state.id == current}
        if isinstance(state, Model)
        else {"id": id, "unreadable": str(state)}
        for id, state in model_states(home.models)
    ]


def version_rows(home: Home) -> list[Row]:
    """Describe each index version: columns of `VERSIONS`; passed tells whether its quality checks did."""
    current = lifecycle.current(home.versions)
    rows: list[Row] = []
    for id, state in reversed(lifecycle.states(home.versions).items()):
        if isinstance(state, FormatError):
            rows.append({"id": id, "unreadable": str(state)})
            continue
        rows.append(
            {
                **{name: state[name] for name in ("id", "model", "model_name", "snapshot")},
                **{name: state["counts"][name] for name in ("artists", "embedded")},
                "passed": state["quality_checks"]["passed"],
                "current": id == current,
            }
        )
    return rows


def truth_rows(home: Home) -> list[Row]:
    """Describe each ground truth: columns of `TRUTHS`."""
    return [
        {"id": id, "unreadable": str(state)}
        if isinstance(state, FormatError)
        else {
            **{name: state[name] for name in ("id", "name", "directed", "source")},
            "pairs": state["counts"]["pairs"],
        }
        for id, state in reversed(truths(home.truths).items())
    ]
