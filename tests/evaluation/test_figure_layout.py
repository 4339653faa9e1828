"""Figures of few and of many systems and conditions: no tick label, legend or key lies on anything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import matplotlib
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from riyl.evaluation.figure_layout import MAX_NAME_LENGTH, STYLE, compared_systems, log_ticks, plain, short
from riyl.evaluation.figures import FIGURES, draw_all
from tests.evaluation.records import LONG_NAMES, REFERENCE, made_record

SYSTEMS = {2: ("default", REFERENCE), 10: LONG_NAMES}
CONDITIONS = {2: ("raw", "fmc"), 4: ("raw", "fmc", "raw-judged", "fmc-judged")}
FULL = ("fmc", "fmc-judged")


@pytest.fixture(scope="module", params=[(s, c) for s in SYSTEMS for c in CONDITIONS], ids=lambda p: f"{p[0]}-{p[1]}")
def drawn(request: pytest.FixtureRequest) -> dict[str, Figure]:
    systems, conditions = request.param
    figures = draw_all(made_record(SYSTEMS[systems], CONDITIONS[conditions], full=FULL))
    render(figures.values())
    return figures


def render(figures: Sequence[Figure]) -> None:
    for figure in figures:
        with matplotlib.rc_context(STYLE):
            FigureCanvasAgg(figure).draw()  # lays it out


def plots(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.axison]


def labels(axis: Axis) -> Iterator[Bbox]:
    """Yield the boxes of the tick labels that are shown."""
    low, high = sorted(axis.get_view_interval())
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        label = tick.label1
        if label.get_visible() and label.get_text() and low <= tick.get_loc() <= high:
            yield label.get_window_extent()


def overlapping(boxes: Sequence[Bbox]) -> list[tuple[Bbox, Bbox]]:
    return [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]


def test_tick_labels_of_an_axis_do_not_overlap(drawn: dict[str, Figure]) -> None:
    assert list(drawn) == list(FIGURES)
    for name, figure in drawn.items():
        for axes in plots(figure):
            for axis in (axes.xaxis, axes.yaxis):
                assert overlapping(list(labels(axis))) == [], name
        assert any(list(labels(axis)) for axes in plots(figure) for axis in (axes.xaxis, axes.yaxis))


def test_a_legend_is_outside_of_all_axes_and_inside_the_figure(drawn: dict[str, Figure]) -> None:
    for name, figure in drawn.items():
        assert all(axes.get_legend() is None for axes in figure.axes), name
        legends = figure.legends
        assert len(legends) == (0 if name.startswith(("figure-2", "figure-3")) else 1), name
        for legend in legends:
            box = legend.get_window_extent()
            assert not any(axes.get_window_extent().overlaps(box) for axes in plots(figure)), name
            assert not any(axes.xaxis.label.get_window_extent().overlaps(box) for axes in plots(figure)), name
            assert (figure.bbox.x0 <= box.x0, box.x1 <= figure.bbox.x1) == (True, True), name


def test_a_legend_names_each_system_once(drawn: dict[str, Figure]) -> None:
    for name in ("figure-4-popularity-full-coverage", "figure-5-popularity", "figure-6-links"):
        names = [text.get_text() for text in drawn[name].legends[0].get_texts()]
        assert len(set(names)) == len(names)
        assert (short(REFERENCE) in names) is name.startswith("figure-6")
        assert "default" in names


def test_the_key_of_figure_3_is_readable_and_beside_the_panels(drawn: dict[str, Figure]) -> None:
    figure = drawn["figure-3-coherence-and-popularity"]
    panels = [axes.get_window_extent() for axes in plots(figure)]
    keys = [axes for axes in figure.axes if not axes.axison]
    assert len(panels) == 2 * len(keys)
    for key in keys:
        boxes = [text.get_window_extent() for text in key.texts]
        assert overlapping(boxes) == []
        assert not any(panel.overlaps(box) for panel in panels for box in boxes)
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
        texts = [text.get_text() for text in key.texts]
        assert texts[:5] == ["tau ECL", "tau POP", "default", *texts[3:5]]
        assert {*texts[3:5]} in ({"+0.045"}, {"-0.123"})


def test_names_are_shown_as_they_are_unless_they_are_long() -> None:
    assert [short(name) for name in ("pca", "version 5f2a9c0e41d7b386")] == ["pca", "version 5f2a9c0e41d7b386"]
    assert short("abcdefghijklmnopqrstuvwxyz0123") == "abcdefghijklm…stuvwxyz0123"
    assert len(short("x" * 200)) == MAX_NAME_LENGTH
    assert short("_mine") == " _mine"  # else no legend would have it
    names = ("$\\alpha_{$", "$x$", REFERENCE)  # no formulas, and the first would not even be one
    figures = draw_all(made_record(names, ("raw", "fmc"), full=FULL))
    render(figures.values())
    assert [text.get_text() for text in figures["figure-6-links"].legends[0].get_texts()] == list(names)


def test_names_that_look_the_same_when_short_are_both_in_a_legend() -> None:
    names = ("embedding-of-a-graph, epoch 10", "embedding-of-b-graph, epoch 10", REFERENCE)
    assert short(names[0]) == short(names[1])
    legend = draw_all(made_record(names, ("raw", "fmc"), full=FULL))["figure-6-links"].legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [short(name) for name in names]


@pytest.mark.parametrize(
    ("low", "high", "length", "wanted"),
    [
        (0.8, 2e6, 200, ["1", "10", "100", "1k", "10k", "100k", "1M"]),
        (0.8, 120, 200, ["1", "2", "5", "10", "20", "50", "100"]),
        (0.8, 120, 100, ["1", "3", "10", "30", "100"]),
        (1, 1e9, 80, ["1", "1k", "1M", "1000M"]),
        (1.02, 1.11, 200, ["1.02", "1.04", "1.06", "1.08", "1.1"]),
        (20.5, 89, 100, ["40", "60", "80"]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_round_and_fit(
    low: float, high: float, length: float, wanted: list[str]
) -> None:
    assert [plain(tick) for tick in log_ticks(low, high, length, 7.5, beside=True)] == wanted


def test_each_condition_has_its_row_where_it_belongs() -> None:
    conditions = ("raw", "fmc", "mine", "raw-judged")
    figures = draw_all(made_record(SYSTEMS[2], conditions, full=("fmc", "mine")))
    assert titles(figures["figure-3-coherence-and-popularity"]) == ["fmc", "mine"]
    assert titles(figures["figure-4-popularity-full-coverage"]) == ["fmc", "mine"]
    assert titles(figures["figure-5-popularity"]) == ["raw", "raw-judged"]
    assert titles(figures["figure-6-links"]) == list(conditions)


def test_records_that_mark_no_condition_have_fmc_as_full() -> None:
    record = made_record(SYSTEMS[2], CONDITIONS[4], full=["fmc"])
    for condition in record["conditions"]:
        del condition["full"]
    for entry in record["coherence"]:
        del entry["condition"]
    figures = draw_all(record)
    assert titles(figures["figure-3-coherence-and-popularity"]) == ["fmc"]
    assert titles(figures["figure-4-popularity-full-coverage"]) == ["fmc", "fmc-judged"]
    assert titles(figures["figure-5-popularity"]) == ["raw", "raw-judged"]


def test_figure_3_shows_at_most_four_conditions() -> None:
    conditions = [f"set {n}" for n in range(6)]
    figure = draw_all(made_record(SYSTEMS[2], conditions, full=conditions))["figure-3-coherence-and-popularity"]
    assert titles(figure) == conditions[:4]


def test_ranges_of_any_size_have_labels_that_do_not_overlap() -> None:
    for plays, ratio in ((9, 1.001), (40, 1.5), (3e9, 400)):
        figures = draw_all(made_record(SYSTEMS[10], CONDITIONS[2], full=FULL, plays=plays, ratio=ratio))
        render(figures.values())
        for axes in plots(figures["figure-5-popularity"]):
            for axis in (axes.xaxis, axes.yaxis):
                assert overlapping(list(labels(axis))) == []


def titles(figure: Figure) -> list[str]:
    return [title for axes in figure.axes if (title := axes.get_title(loc="left"))]


def test_of_many_systems_those_shown_are_the_first_of_each_catalog() -> None:
    entries = [
        {"name": f"{catalog}{n}", "role": "system", "catalog": catalog} for catalog in (None, "b") for n in range(8)
    ]
    entries[1]["role"] = "subset"
    few = ["None0", "None2", "None3", "None4", "None5", "b0", "b1", "b2", "b3", "b4"]
    assert compared_systems({"systems": entries}) == few
    assert compared_systems({"systems": entries[:10]}) == [f"None{n}" for n in (0, *range(2, 8))] + ["b0", "b1"]
    older = [{"name": str(n), "role": "system"} for n in range(12)]
    assert compared_systems({"systems": older}) == [str(n) for n in range(10)]
