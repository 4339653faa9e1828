from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from riyl.core.errors import InputError
from riyl.index.artifact.version import Version
from riyl.index.overlay.overlay import VersionOverlay
from riyl.index.scoring.popularity import Popularity
from riyl.index.search.filters import AttributeFilter, Filters, Range, passing

ARTISTS = pa.table(
    {
        "artist_id": ["a", "b", "c", "d", "e"],
        "name": ["A", "B", "C", "D", "E"],
        "mbid": pa.array([None] * 5, pa.string()),
        "aliases": pa.array([None] * 5, pa.list_(pa.string())),
        "country": ["FR", "IS", None, "FR", "DE"],
        "begun": pa.array([1990, 2001, None, 1975, 2001], pa.int32()),
        "rate": [0.5, None, 1.5, 2.5, 0.5],
        "active": [True, False, None, True, False],
        "labels": [["x", "y"], [], None, ["y"], ["z"]],
        "since": pa.array([date(1990, 1, 2), None, date(2000, 5, 5), date(1975, 1, 1), date(2001, 1, 1)]),
    }
)


def overlay() -> VersionOverlay:
    version = SimpleNamespace(
        artists=ARTISTS,
        attributes=["country", "begun", "rate", "active", "labels", "since"],
        n_artists=5,
        manifest={"last_change": 0},
        embeddings=np.zeros((5, 2), np.float32),
        listeners=np.array([0, 10, 20, 30, 40]),
        modalities=["cf", "tags"],
        patterns=np.array([0, 1, 2, 2, 1]),
        patterns_of_modalities=[(), ("cf",), ("cf", "tags")],
        scoring=SimpleNamespace(popularity=Popularity(np.array([-0.8, -0.4, 0.0, 0.4, 0.8], np.float32), np.arange(5))),
    )
    return VersionOverlay.of(cast(Version, version))


def names(filters: Filters) -> str:
    return "".join(np.array(list("abcde"))[passing(overlay(), filters)])


def where(name: str, **wanted: Any) -> str:
    return names(Filters({name: AttributeFilter(**wanted)}))


def test_without_conditions_all_pass() -> None:
    assert names(Filters()) == "abcde"


@pytest.mark.parametrize(
    ("name", "wanted", "passes"),
    [
        ("country", {"any_of": ("FR",)}, "ad"),
        ("country", {"any_of": ("IS", "DE", "XX")}, "be"),
        ("country", {"any_of": ()}, ""),
        ("country", {"missing": True}, "c"),
        ("country", {"missing": False}, "abde"),
        ("country", {"within": Range("DE", "FR")}, "ade"),
        ("begun", {"within": Range(1990, None)}, "abe"),
        ("begun", {"within": Range(None, 1990)}, "ad"),
        ("begun", {"within": Range(1990.5, 2001)}, "be"),
        ("begun", {"any_of": (2001, 1975), "within": Range(None, 2000)}, "d"),
        ("rate", {"any_of": (0.5, 2.5)}, "ade"),
        ("rate", {"within": Range(1, 2)}, "c"),
        ("active", {"any_of": (True,)}, "ad"),
        ("active", {"any_of": (False,), "missing": False}, "be"),
        ("labels", {"any_of": ("y",)}, "ad"),
        ("labels", {"any_of": ("x", "z")}, "ae"),
        ("labels", {"missing": True}, "c"),
        ("since", {"within": Range("1990-01-02", "2000-12-31")}, "ac"),
        ("since", {"any_of": ("1975-01-01",)}, "d"),
    ],
)
def test_attributes(name: str, wanted: dict[str, Any], passes: str) -> None:
    assert where(name, **wanted) == passes


def test_all_conditions_must_hold() -> None:
    assert names(Filters(listeners=Range(10, 30))) == "bcd"
    assert names(Filters(popularity=Range(0.5, None))) == "cde"
    assert names(Filters(modalities=("cf",))) == "bcde"
    assert names(Filters(modalities=("cf", "tags"))) == "cd"
    country = {"country": AttributeFilter(any_of=("FR", "DE"))}
    assert names(Filters(country, listeners=Range(None, 35), modalities=("tags",))) == "d"


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (Filters({"x": AttributeFilter(missing=True)}), "attributes: found 'x'; wanted one of country, begun, rate"),
        (Filters({"name": AttributeFilter(missing=True)}), "attributes: found 'name'; wanted one of country"),
        (Filters({"begun": AttributeFilter(any_of=("1990",))}), "attributes.begun: found '1990'; wanted a value of"),
        (Filters({"begun": AttributeFilter(any_of=(2**40,))}), "attributes.begun: found 1099511627776; wanted"),
        (Filters({"begun": AttributeFilter(any_of=(True,))}), "attributes.begun: found True; wanted a value of type"),
        (Filters({"active": AttributeFilter(any_of=(1,))}), "attributes.active: found 1; wanted a value of type"),
        (Filters({"country": AttributeFilter(within=Range(3, None))}), "attributes.country: found 3; wanted"),
        (Filters({"since": AttributeFilter(any_of=("soon",))}), "attributes.since: found 'soon'; wanted"),
        (Filters(modalities=("lyrics",)), "modalities: found 'lyrics'; wanted some of cf, tags"),
    ],
)
def test_what_does_not_fit_is_refused(filters: Filters, message: str) -> None:
    with pytest.raises(InputError, match=message):
        passing(overlay(), filters)
