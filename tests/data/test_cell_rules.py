from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.cell_rules import ALL, ANY, Fulfilled, between, combine, has_label, inside
from core.errors import DataError

GRID = np.array([[x, y] for x in range(5) for y in range(5)], dtype=np.float32)


def test_inside_a_triangle_counted_by_hand() -> None:
    found = inside(GRID, [(-0.5, -0.5), (3.6, -0.5), (-0.5, 3.6)])
    # x + y < 3.1, from the line between the two far corners
    assert (found == (GRID.sum(axis=1) <= 3)).all()


def test_only_the_rows_that_are_asked_about() -> None:
    everywhere = [(-1, -1), (9, -1), (9, 9), (-1, 9)]
    rows = np.array([1, 7, 24])
    assert inside(GRID, everywhere, rows).nonzero()[0].tolist() == [1, 7, 24]
    assert inside(GRID, everywhere).all()
    assert not inside(GRID, [(50, 50), (51, 50), (50, 51)]).any()


def test_a_concave_shape_leaves_its_notch_out() -> None:
    u = [(0, 0), (4, 0), (4, 4), (3, 4), (3, 1), (1, 1), (1, 4), (0, 4)]
    points = np.array([[0.5, 3], [2, 3], [3.5, 3], [2, 0.5]], dtype=np.float32)
    assert inside(points, u).tolist() == [True, False, True, True]


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32)),
        min_size=3,
        max_size=12,
    )
)
def test_nothing_outside_the_box_is_inside(corners: list[tuple[float, float]]) -> None:
    points = np.array(corners)
    found = inside(GRID, corners)
    low, high = points.min(axis=0), points.max(axis=0)
    assert ((GRID[found] >= low) & (GRID[found] <= high)).all()


@pytest.mark.parametrize("corners", [[(0, 0), (1, 1)], [(0, 0), (1, 1), (np.nan, 2)], [], [[1]]])
def test_no_shape_is_refused(corners: list) -> None:
    with pytest.raises(DataError, match="shape"):
        inside(GRID, corners)


def test_labels_values_and_their_combination() -> None:
    labels = pd.Series(pd.Categorical(["T", "B", "T", "NK"]))
    values = np.array([0.0, 2.0, 1.0, np.nan], dtype=np.float32)
    t_cells = has_label(labels, ["T", "NK"], "type")
    positive = between(values, 0, None, "CD69")
    assert t_cells.mask.tolist() == [True, False, True, True]
    assert positive.mask.tolist() == [False, True, True, False]
    assert between(values, None, 1.0).mask.tolist() == [True, False, True, False]
    both = combine([t_cells, positive], ALL)
    assert both.mask.tolist() == [False, False, True, False]
    assert both.words == "(type is T or NK) and (CD69 > 0)"
    assert combine([t_cells, positive], ANY).mask.all()
    assert combine([t_cells, positive.negated()]).mask.tolist() == [True, False, False, True]
    assert positive.negated().words == "not (CD69 > 0)"
    assert combine([positive]).words == "CD69 > 0"


def test_combinations_that_make_no_sense() -> None:
    rule = Fulfilled("a", np.array([True]))
    for rules, how in (
        ([], ALL),
        ([rule], "none"),
        ([rule, Fulfilled("b", np.ones(2, bool))], ALL),
    ):
        with pytest.raises(DataError):
            combine(rules, how)
