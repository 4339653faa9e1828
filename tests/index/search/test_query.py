from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from riyl.core.errors import InputError
from riyl.index.scoring.popularity import popularity_of
from riyl.index.search.query import QueryVector, build_query


def term(vector: list[float], weight: float = 1.0, calibration: tuple[float, float] = (0.0, 0.0)) -> QueryVector:
    unit = np.array(vector, float) / np.linalg.norm(vector)
    return QueryVector(unit, {}, np.array(calibration, np.float32), weight)


def test_one_term_is_asked_as_it_is() -> None:
    query = build_query([term([3, 4], weight=7, calibration=(0.5, -0.25))])
    np.testing.assert_allclose(query.vector, [0.6, 0.8], atol=1e-15)
    assert query.shares == (1.0,)
    assert (query.calibration.tolist(), query.popularity) == ([0.5, -0.25], 0.0)


def test_a_blend_worked_by_hand() -> None:
    # (3 (1, 0) + 1 (0, 1)) / 4 - 1/2 (0, 1) = (0.75, -0.25), of length sqrt(0.625)
    query = build_query(
        [term([1, 0], 3, (0.2, 0)), term([0, 1], 1, (0, 0.4))], [term([0, 2], 5, (9, 9))], popularity=-0.5
    )
    length = 0.625**0.5
    np.testing.assert_allclose(query.vector, [0.75 / length, -0.25 / length], atol=1e-15)
    np.testing.assert_allclose(query.shares, [0.75 / length, 0.25 / length, -0.5 / length], atol=1e-15)
    np.testing.assert_allclose(query.calibration, [0.15, 0.1], atol=1e-7)
    assert query.popularity == -0.05


def test_what_cancels_itself_out_is_refused() -> None:
    with pytest.raises(InputError, match="found seeds that cancel out"):
        build_query([term([1, 0]), term([-1, 0])])


def test_popularity_is_the_mean_rank() -> None:
    listeners = np.array([0, 5, 0, 100, 5, 0, 7])
    wanted = 2 * (rankdata(listeners) - 0.5) / 7 - 1
    np.testing.assert_allclose(popularity_of(listeners), wanted, atol=1e-6)
    assert popularity_of(np.zeros(0, np.int64)).shape == (0,)
    np.testing.assert_array_equal(popularity_of(np.full(4, 3)), np.zeros(4))
