"""Result of `riyl.app.python.catalog.Catalog.evaluate`: figures as data frames, plots and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riyl.app.evaluations.run import Evaluated
from riyl.app.python.frames import Backend, Frame, rows_to_frame, to_frame
from riyl.core.errors import InputError
from riyl.core.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT, NUMBER, COUNT = pa.string(), pa.float64(), pa.int64()

SYSTEMS = pa.schema({"name": TEXT, "role": TEXT, "of": TEXT, "subset": TEXT, "seed": COUNT})
RESULTS = pa.schema({"condition": TEXT, "system": TEXT})
DIFFERENCES = pa.schema(
    {"condition": TEXT, "system": TEXT, "reference": TEXT, "ndcg": NUMBER, "low": NUMBER, "high": NUMBER, "p": NUMBER}
)
DEPTHS = pa.schema(
    {
        "condition": TEXT,
        "system": TEXT,
        "depth": COUNT,
        **dict.fromkeys(("ndcg", "ndcg_low", "ndcg_high", "difference", "difference_low", "difference_high"), NUMBER),
        **dict.fromkeys(("p", "gini", "never_retrieved"), NUMBER),
    }
)
GROUPS = pa.schema(
    {
        "condition": TEXT,
        "system": TEXT,
        "groupings": COUNT,
        **{f"{name}{end}": NUMBER for name in ("entropy", "ndcg", "ndcg_own") for end in ("", "_deviation")},
    }
)
GROUP_SHARES = pa.schema(
    {"condition": TEXT, "system": TEXT, "query_group": TEXT, "neighbour_group": TEXT, "share": NUMBER}
)
POPULARITY = pa.schema({"condition": TEXT, "system": TEXT, "by": TEXT})
LISTS = pa.schema({"artist_id": TEXT, "rank": COUNT, "similar_id": TEXT})


@dataclass(frozen=True)
class Evaluation:
    """Figures of an evaluation.

    The frames have the values of `record`: an undefined figure is null, which pandas shows as NaN. Modalities that
    belong together are one text, joined by "+".

    Attributes:
        evaluated: the results as the command line and the jobs have them.
        backend: library of the frames.
        id: id under which the evaluation is stored in the home; None if it is not stored.

    Example:
        >>> evaluation = riyl.open().evaluate(["default", "paper-msd"])
        >>> evaluation.results
        >>> evaluation.figure(1)
    """

    evaluated: Evaluated = field(repr=False)
    backend: Backend
    id: str | None = None

    def __repr__(self) -> str:
        systems = ", ".join(row["name"] for row in self.record["systems"] if row["role"] == "system")
        conditions = ", ".join(row["name"] for row in self.record["conditions"])
        return f"<Evaluation of {systems} in {conditions}; ground truth {self.record['truth']['name']}>"

    @property
    def record(self) -> dict[str, Any]:
        """All figures as JSON values, as `riyl evaluate --figures` writes them; see `riyl.evaluation.record.record`."""
        return self.evaluated.figures

    @property
    def systems(self) -> Frame:
        """One row per system: name, role, of (the system that a subset or seed belongs to), subset, seed, history."""
        rows = [{**row, "subset": _joined(row["subset"])} for row in self.record["systems"]]
        return rows_to_frame(rows, SYSTEMS, self.backend)

    @property
    def results(self) -> Frame:
        """One row per condition and system: each measure with its 95 % interval, and the number of queries."""
        return rows_to_frame(self.record["results"], RESULTS, self.backend)

    @property
    def depths(self) -> Frame:
        """One row per condition, system and depth (10 and 50, if below k): figures of the first ranks of the lists.

        They are nDCG with its 95 % interval, its difference to the reference with interval and p value (null for the
        reference itself), Gini, and never_retrieved, the share of the artists that are in the first ranks of no list.
        A depth that ready lists do not reach has no row.
        """
        return rows_to_frame(self.record["depths"], DEPTHS, self.backend)

    @property
    def differences(self) -> Frame:
        """One row per condition and system: nDCG minus that of the reference, its 95 % interval and p value."""
        return rows_to_frame(self.record["differences"], DIFFERENCES, self.backend)

    @property
    def groups(self) -> Frame:
        """One row per condition and system: mean and deviation over the groupings into modality groups.

        Without a condition "groups" it has no rows.
        """
        rows = [
            {
                "condition": row["condition"],
                "system": row["system"],
                "groupings": len(row["groupings"]),
                **{name: row[name]["mean"] for name in ("entropy", "ndcg", "ndcg_own")},
                **{f"{name}_deviation": row[name]["deviation"] for name in ("entropy", "ndcg", "ndcg_own")},
            }
            for row in self.record["groups"]
        ]
        return rows_to_frame(rows, GROUPS, self.backend)

    @property
    def group_shares(self) -> Frame:
        """One row per condition, system and pair of modality groups: share of a group among another's top 5."""
        return rows_to_frame(list(_shares(self.record["groups"])), GROUP_SHARES, self.backend)

    @property
    def popularity(self) -> Frame:
        """One row per condition, system, measure of popularity (by) and group of queries, ascending.

        The other columns are those of `riyl.evaluation.popularity.QuantileRow`, where reference is a figure;
        reference_system names its system.
        """
        rows = [
            {
                "condition": table["condition"],
                "system": table["system"],
                "by": table["by"],
                "reference_system": table["reference"],
                **row,
            }
            for table in self.record["popularity"]
            for row in table["rows"]
        ]
        schema = POPULARITY.append(pa.field("reference_system", TEXT))
        return rows_to_frame(rows, schema, self.backend)

    @property
    def queries(self) -> Frame:
        """One row per condition, system and query: artist_id and each measure of its list; `lists` has the lists.

        ndcg_10 and ndcg_50 are those of the first ranks, null where `depths` has no row.
        """
        return to_frame(self.evaluated.queries.drop_columns(["retrieved"]), self.backend)

    def lists(self, system: str, condition: str | None = None) -> Frame:
        """Return the list of every query of a system: artist_id (the query), rank from 1, similar_id.

        Args:
            system: name of the system.
            condition: name of the condition; None is the first.

        Raises:
            InputError: the evaluation has no such system or condition.
        """
        conditions = [row["name"] for row in self.record["conditions"]]
        condition = _among("condition", conditions[0] if condition is None else condition, conditions)
        _among("system", system, [row["name"] for row in self.record["systems"]])
        queries = self.evaluated.queries
        rows = queries.filter((pc.field("condition") == condition) & (pc.field("system") == system))
        lists = rows.column("retrieved").combine_chunks()
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        columns = {
            "artist_id": rows.column("artist_id").take(pc.list_parent_indices(lists)),
            "rank": pa.array(np.arange(len(starts)) - starts + 1, COUNT),
            "similar_id": pc.list_flatten(lists),
        }
        return to_frame(pa.table(columns), self.backend)

    def figure(self, name: str | int) -> Figure:
        """Draw a figure, as the report has it.

        Args:
            name: number of the figure, 1 to 6, or its name or the beginning of it, such as "figure-2". Figures 1 to 5
                are the counterparts of the paper's.

        Returns:
            A matplotlib figure; a notebook with `%matplotlib inline` shows it.

        Raises:
            InputError: there is no such figure, or this evaluation has no data for it.
        """
        # imported here, because matplotlib loads slowly
        import matplotlib

        from riyl.evaluation.figure_layout import STYLE
        from riyl.evaluation.figures import FIGURES

        start = f"figure-{name}-" if isinstance(name, int) else name
        matching = [each for each in FIGURES if each.startswith(start)]
        if len(matching) != 1 or not start:
            raise InputError(f"figure: found {name!r}; wanted 1 to {len(FIGURES)}, or one of {', '.join(FIGURES)}")
        with matplotlib.rc_context(STYLE):
            drawn = FIGURES[matching[0]](self.record)
        if drawn is None:
            raise InputError(
                f"{matching[0]}: found no data of it in this evaluation; wanted conditions and systems that it shows "
                "(figure 2: the condition 'groups'; figures 4 and 5: the system 'single-cf')"
            )
        return drawn

    def report(self, path: str | Path) -> Path:
        """Write the report with all figures and tables as one HTML file, and return its path."""
        path = Path(path)
        write_bytes(path, self.evaluated.report)
        return path


def _shares(groups: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for row in groups:
        names = [_joined(subset) for subset in row["subsets"]]
        for query_group, shares in zip(names, row["shares"], strict=True):
            for neighbour_group, share in zip(names, shares, strict=True):
                yield {
                    "condition": row["condition"],
                    "system": row["system"],
                    "query_group": query_group,
                    "neighbour_group": neighbour_group,
                    "share": share,
                }


def _joined(modalities: list[str]) -> str | None:
    return "+".join(modalities) or None


def _among(what: str, name: str, names: list[str]) -> str:
    if name not in names:
        raise InputError(f"{what}: found {name!r}; wanted one of {', '.join(names)}")
    return name
