from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from riyl.core.errors import InputError
from riyl.core.storage.ground_truth import save_truth
from riyl.core.storage.relations import Relation, check_distinct, parse_relations


def test_a_relation_has_a_name_and_a_weight_which_is_1_where_none_is_given() -> None:
    texts = ["similar=1.5", "editorial", "a=b=2", "pairs=3.csv", "x=1e-3"]
    assert parse_relations(texts, {".csv"}) == [
        ("similar", 1.5),
        ("editorial", 1.0),
        ("a=b", 2.0),
        ("pairs=3.csv", 1.0),
        ("x", 0.001),
    ]
    assert parse_relations(["pairs.csv=0.5"], {".csv"}) == [("pairs.csv", 0.5)]
    assert parse_relations([]) == []


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "1e300", "1e-300", "much", ""])
def test_a_weight_outside_of_its_range_is_refused(weight: str) -> None:
    with pytest.raises(InputError, match=f"found weight '{weight}' of a; wanted a number from 1e-06 to 1e[+]06"):
        parse_relations([f"a={weight}"])


def test_a_relation_without_a_name_and_one_given_twice_are_refused() -> None:
    with pytest.raises(InputError, match="supervision: found '=1'; wanted NAME or NAME=WEIGHT"):
        parse_relations(["=1"])
    with pytest.raises(InputError, match="supervision: found '' ?; wanted NAME"):
        parse_relations([""])
    with pytest.raises(InputError, match="supervision: found a twice; wanted each relation once"):
        parse_relations(["a=1", "b", "a=2"])


def test_the_same_pairs_under_two_names_of_one_truth_are_refused(tmp_path: Path) -> None:
    first, second = (
        save_truth(tmp_path, name, pa.table({"artist_id": ["a"], "similar_id": ["b"]}), directed=False, source="test")
        for name in ("first", "second")
    )
    check_distinct([Relation(first), Relation(second, 2.0)])
    with pytest.raises(InputError, match=f"supervision: found second .{second.id}. twice; wanted each relation once"):
        check_distinct([Relation(first), Relation(second), Relation(second, 2.0)])
