"""Report and figures of a small study: they contain the record's figures, and nothing from elsewhere."""

import copy
import dataclasses
import re
import xml.etree.ElementTree as ET
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from riyl.evaluation.conditions import Condition
from riyl.evaluation.figures import FIGURES, draw_all, svg, write_figures
from riyl.evaluation.groups import deal_groups
from riyl.evaluation.protocol import PROTOCOL, Setup
from riyl.evaluation.record import defined, record
from riyl.evaluation.report import report_html
from riyl.evaluation.retrieval import System
from riyl.evaluation.study import study
from riyl.evaluation.subject import Subject
from riyl.evaluation.systems import fuse, subset_system, subsets_of
from riyl.evaluation.table import compare
from tests.evaluation.records import REFERENCE, made_record
from tests.evaluation.test_protocol import in_order, truth_of

N = 60
NAME = "mine <b>&"


class Cells(HTMLParser):
    """Parser that collects every table as rows of texts, by its caption."""

    def __init__(self):
        super().__init__()
        self.tables, self.tags, self.attributes, self._text = {}, set(), [], None

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th", "caption"):
            self._text = ""

    def handle_data(self, data):
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag):
        if tag == "caption":
            self._caption, self._text = self._text, None
        if tag in ("td", "th"):
            self._rows[-1].append(self._text)
            self._text = None
        if tag == "table":
            self.tables[self._caption] = self._rows


def read(html):
    cells = Cells()
    cells.feed(html)
    return cells


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    scene = rng.standard_normal((3, 8))[np.arange(N) % 3]
    parts = {m: (scene + 0.7 * rng.standard_normal((N, 8))).astype(np.float32) for m in ("audio", "cf", "tags")}
    vectors, covered = fuse(parts)
    system = System(NAME, vectors, vectors, covered)
    masked = [Subject(subset_system(NAME, parts, s), "subset", of=NAME, subset=s) for s in subsets_of(parts)[:-1]]
    again = Subject(dataclasses.replace(system, name="again"), "seed", of=NAME, seed=8, parts=parts)
    cf, has = fuse({"cf": parts["cf"]})
    single = Subject(System("single-cf", cf, cf, has), parts={"cf": parts["cf"]})
    truth = truth_of(
        N, [(a, b) for a in range(N) for b in range(N) if a != b and a % 3 == b % 3 and rng.random() < 0.4]
    )
    plays = rng.integers(0, 200, N)
    outcome = study(
        [Subject(system, seed=3, parts=parts), *masked, again, single],
        [Condition("raw", in_order(N)), Condition("fmc", in_order(N)[::2], is_full=True)],
        {"fmc": deal_groups(in_order(N)[::2], list(parts), 0)},
        Setup(truth, in_order(N), k=10, rounds=20),
        plays,
    )
    outcome.unseen.update(dict.fromkeys(outcome.of_role("system"), in_order(N) % 4 == 0))
    head = {
        "format": 2,
        "snapshot": "5" * 16,
        "version": None,
        "truth": {"id": "7" * 16, "name": "by <hand>", "directed": True, "pairs": 90, "unknown_pairs": 4},
        "catalog": {
            "artists": N,
            "modalities": {"audio": 45, "cf": 60},
            "patterns": [{"modalities": ["audio", "cf"], "artists": 45}, {"modalities": ["cf"], "artists": 15}],
        },
        "models": {NAME: {"id": "ab" * 8, "seed": 3, "commit": None}},
        **{"seed": 0, "rounds": 20, "k": 10, "protocol": PROTOCOL},
    }
    counts = {"plays": plays, "listeners": plays // 3}
    measured = record(
        outcome,
        counts,
        compare(outcome.results, NAME, rounds=20),
        cf="single-cf",
        rounds=20,
    )
    return defined({**head, **measured})


@pytest.fixture(scope="module")
def html(made):
    return report_html(made)


def test_a_report_is_one_page_without_script_or_anything_from_elsewhere(html):
    page = read(html)
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "xlink:href"):
            assert value.startswith(("#", "data:image/png;base64,")), value
    assert "url(http" not in html
    assert "<b>" not in html
    assert "mine &lt;b&gt;&amp;" in html


def test_the_same_record_gives_the_same_report(made, html):
    assert report_html(copy.deepcopy(made)) == html


def test_tables_hold_the_figures(made, html):
    tables = read(html).tables
    raw = tables["raw: 60 artists are candidates, 60 of them are queries, 0 have no similar artist here"]
    assert raw[0][:4] == ["system", "nDCG@10", f"minus {NAME}", "covered"]
    rows = {r["system"]: r for r in made["results"] if r["condition"] == "raw"}
    over_seeds = next(s for s in made["seeds"] if s["condition"] == "raw")
    for line in raw[1:]:
        r = rows[line[0].removesuffix(" (2 seeds)")]
        if r["system"] == NAME:
            assert line[1] == f"{over_seeds['ndcg']['mean']:.4f} ± {over_seeds['ndcg']['deviation']:.4f}"
            assert line[4] == f"{over_seeds['gini']['mean']:.4f} ± {over_seeds['gini']['deviation']:.4f}"
        else:
            assert line[1] == f"{r['ndcg']:.4f} [{r['ndcg_low']:.4f}, {r['ndcg_high']:.4f}]"
        assert line[6:] == [f"{r[name]:.4f}" for name in ("precision", "recall", "r_precision")]
    assert [line[0] for line in raw[1:]] == [f"{NAME} (2 seeds)", "single-cf", "noise", "popularity"]
    (masked,) = (rows for caption, rows in tables.items() if caption.startswith("Table 1."))
    assert [line[0] for line in masked[1:]] == ["audio", "cf", "tags", "audio+cf", "audio+tags", "cf+tags", "all"]
    (entropy,) = (rows for caption, rows in tables.items() if caption.startswith("Table 2."))
    assert {line[0]: line[1] for line in entropy[1:]} == {
        g["system"]: f"{g['entropy']['mean']:.4f} ± {g['entropy']['deviation']:.4f}" for g in made["groups"]
    }
    (seeds,) = (rows for caption, rows in tables.items() if caption.startswith("Models trained from several seeds"))
    assert [line[:3] for line in seeds[1:]] == [[NAME, "raw", "3, 8"], [NAME, "fmc", "3, 8"]]
    assert seeds[1][3] == f"{rows[NAME]['ndcg']:.4f} ± 0.0000"  # the other seed gave the same
    (held,) = (rows for caption, rows in tables.items() if caption.startswith("Queries by artists that neither"))
    assert [(line[0], line[1], line[3].split()[1]) for line in held[1:3]] == [
        (NAME, "raw", "(15)"),
        ("single-cf", "raw", "(15)"),
    ]
    assert tables["Artists with exactly these modalities"][1:] == [["audio+cf", "45", "75.0%"], ["cf", "15", "25.0%"]]


def test_protocol_versions_and_seeds_are_told(html):
    text = re.sub(r"\s+", " ", unescape(html))
    assert PROTOCOL in text
    for word in (
        "90 directed pairs",
        "both artists of 86",
        "5555555555555555",
        "abababababababab",
        "seed 0",
        "lists of 10",
    ):
        assert word in text, word


def test_every_figure_is_drawn_and_is_sound_xml(made):
    drawn = draw_all(made)
    assert list(drawn) == list(FIGURES)
    for figure in drawn.values():
        assert ET.fromstring(svg(figure)).tag == "{http://www.w3.org/2000/svg}svg"


def test_matrices_share_one_colour_scale(made):
    figure = draw_all(made)["figure-2-modality-groups"]
    images = [image for axis in figure.axes[:-1] for image in axis.get_images()]
    shown = [g["shares"] for g in made["groups"] if g["system"] != "again"]  # other seeds are told in Table 2 alone
    largest = max(max(map(max, shares)) for shares in shown)
    assert [image.get_clim() for image in images] == [(0, largest)] * len(shown)
    for image, shares in zip(images, shown, strict=True):
        np.testing.assert_allclose(image.get_array(), shares)


def test_curves_hold_the_ratios(made):
    figure = draw_all(made)["figure-5-popularity"]
    line = next(line for line in figure.axes[0].get_lines() if line.get_label() == NAME)
    wanted = next(
        p["rows"] for p in made["popularity"] if (p["condition"], p["by"], p["system"]) == ("raw", "plays", NAME)
    )
    assert line.get_ydata().tolist() == [row["ratio"] for row in wanted if row["ratio"] is not None]


def test_what_was_not_measured_is_left_out(made):
    short = {**made, "groups": [], "coherence": [], "popularity": []}
    assert list(draw_all(short)) == ["figure-1-accuracy-and-evenness", "figure-6-links"]
    html = report_html(short)
    assert "Robustness" not in html
    assert html.count("<svg") == 2


def test_undefined_figures_are_drawn_as_gaps(made):
    blank = copy.deepcopy({**made, "groups": [], "coherence": [], "popularity": [], "links": []})
    for row in blank["results"]:
        row |= {name: None for name, value in row.items() if isinstance(value, float)}
    for difference in blank["differences"]:
        difference |= {"ndcg": None, "low": None, "high": None}
    assert "–" in report_html(blank)


def test_figures_are_written_as_svg_and_pdf(made, tmp_path):
    short = {**made, "groups": [], "coherence": [], "popularity": []}
    written = write_figures(short, tmp_path / "figures")
    names = ("figure-1-accuracy-and-evenness", "figure-6-links")
    assert [p.name for p in written] == [f"{name}.{kind}" for name in names for kind in ("svg", "pdf")]
    before = {p: p.read_bytes() for p in written}
    assert all(before[p].startswith(b"%PDF" if p.suffix == ".pdf" else b"<?xml") for p in written)
    assert {p: p.read_bytes() for p in write_figures(short, tmp_path / "figures")} == before


def test_the_command_is_shown_and_old_records_have_none(made, html):
    command = "riyl evaluate --systems 'a <b>,pca' --conditions raw"
    page = report_html({**made, "command": command})
    assert "--systems &#39;a &lt;b&gt;,pca&#39; --conditions raw</code>" in page
    assert "Command" not in html
    assert page.replace(page[page.index('<p class="quiet">Command') : page.index("<h2>")], "") == html


def test_coherence_of_each_condition_is_shown():
    conditions = ("raw", "fmc", "some artists")
    record = made_record(("default", REFERENCE), conditions, full=("fmc", "some artists"))
    page = report_html(record)
    captions = [caption for caption in read(page).tables if "Kendall" in caption]
    assert captions == [
        f"{system}, {condition}: Kendall's tau-b over queries"
        for condition in ("fmc", "some artists")
        for system in ("default", REFERENCE)
    ]
    assert "One row for each condition: fmc, some artists." in re.sub(r"\s+", " ", page)


def test_systems_that_figures_leave_out_are_named():
    names = [f"m{n}" for n in range(12)]
    page = re.sub(r"\s+", " ", report_html(made_record([*names, REFERENCE], ("raw",), full=())))
    assert "The figures show the first systems; the tables also have m10, m11, single-cf." in page
    assert "the tables also have" not in report_html(made_record((*names[:9], REFERENCE), ("raw",), full=()))
