"""A condition on an attribute, as it is typed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("country=GB", {"country": {"eq": "GB"}}),
        (" country = GB ", {"country": {"eq": "GB"}}),
        ("country=GB|IS", {"country": {"in": ["GB", "IS"]}}),
        ('name="a|b"|c', {"name": {"in": ["a|b", "c"]}}),
        ("year>=1990", {"year": {"gte": 1990}}),
        ("loud<=-1.5", {"loud": {"lte": -1.5}}),
        ('year="1990"', {"year": {"eq": "1990"}}),
        ("live=true", {"live": {"eq": True}}),
        ("born<=1990-01-31", {"born": {"lte": "1990-01-31"}}),
        ("a=1e999", {"a": {"eq": "1e999"}}),
        ("country", "write a name, then = or >= or <="),
        ("=GB", "add the name of an attribute before ="),
        ("country=", "add a value after the sign"),
        ("country=GB|", "add a value after the sign"),
        ("year>1990", "write >= instead of >"),
        ("year==1990", "write = instead of =="),
        ("year>=1990|1991", "write one value after >="),
        ('name=a"b', "put the quotes around the whole value"),
    ],
)
def test_a_condition_is_read_strictly(site: str, page: Page, typed: str, wanted: object) -> None:
    page.goto(site)
    result = page.evaluate(
        """async (typed) => {
          const { conditions, ConditionError } = await import("/web/conditions.js");
          try { return conditions([typed]); } catch (error) { return [error instanceof ConditionError, error.message]; }
        }""",
        typed,
    )
    if isinstance(wanted, str):
        assert result[0]
        assert wanted in result[1]
    else:
        assert result == wanted
