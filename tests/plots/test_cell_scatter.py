from __future__ import annotations

import base64
import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.plots import cell_raster as raster
from core.plots import cell_scatter as plot
from core.plots.cell_raster import Window
from core.plots.cell_scatter import Colour, Panel
from core.plots.theme import DARK, LIGHT

UNIT = Window(0, 4, 0, 3)
HOSTILE = "<img src=x onerror=alert(1)>"


def image(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def many(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2)).astype(np.float32)


def test_pixels_by_hand() -> None:
    points = np.array([[0.5, 0.5], [0.6, 0.4], [3.5, 2.5], [9, 9]], dtype=np.float32)
    size = (4, 3)
    counts = raster.count_cells(points, UNIT, size=size)
    wanted = np.zeros((3, 4))
    wanted[0, 0], wanted[2, 3] = 2, 1
    assert (counts == wanted).all()
    means = raster.mean_values(points, np.array([1, 2, 5, 99], np.float32), UNIT, size=size)
    assert means[0, 0] == 1.5 and means[2, 3] == 5 and np.isnan(means).sum() == 10
    groups = raster.count_groups(points, pd.Categorical(["a", "b", "b", "a"]), UNIT, size=size)
    assert groups[0, 0].tolist() == [1, 1] and groups[2, 3].tolist() == [0, 1]


def test_painted_values_stand_upright_in_the_scale() -> None:
    pixels = np.full((3, 4), np.nan)
    pixels[0, 0], pixels[2, 3] = 0.0, 10.0
    picture = image(raster.paint_values(pixels, 0, 10, ("#000000", "#ffffff")))
    assert picture.shape == (3, 4, 4)
    assert picture[2, 0].tolist() == [0, 0, 0, 255]  # low value, bottom left
    assert picture[0, 3].tolist() == [255, 255, 255, 255]
    assert (picture[..., 3] > 0).sum() == 2


def test_painted_groups_have_the_colour_of_the_majority() -> None:
    counts = np.zeros((1, 2, 2), dtype=int)
    counts[0, 0], counts[0, 1] = (3, 1), (0, 200)
    picture = image(raster.paint_groups(counts, ["#ff0000", "#0000ff"]))
    assert picture[0, 0, :3].tolist() == [255, 0, 0]
    assert picture[0, 1, :3].tolist() == [0, 0, 255]
    assert picture[0, 1, 3] > picture[0, 0, 3] > 0


def test_marks_grow_only_into_empty_pixels() -> None:
    pixels = np.full((5, 5), np.nan)
    pixels[2, 2], pixels[2, 3] = 1.0, 0.0
    picture = image(raster.paint_values(pixels, 0, 1, ("#000000", "#ffffff"), spread=1))
    assert picture[2, 3, 0] == 0 and picture[2, 2, 0] == 255  # both keep their own
    assert (picture[..., 3] > 0).sum() == 12


def two_panels(n: int) -> list[Panel]:
    return [Panel("left", np.arange(0, n, 2)), Panel("right", np.arange(1, n, 2))]


@pytest.mark.parametrize("n", [200, 30_000])
@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_two_panels_share_axes_and_scale(n: int, palette) -> None:  # type: ignore[no-untyped-def]
    xy = many(n)
    values = np.abs(xy[:, 0])
    drawn = plot.draw(xy, two_panels(n), Colour("CD69", values=values), palette=palette)
    layout = drawn.figure.layout
    assert layout.xaxis2.matches == "x" and layout.yaxis2.matches == "y"
    axes = {t.marker.coloraxis for t in drawn.figure.data}
    assert axes == {"coloraxis"} and layout.coloraxis.cmin == 0
    assert drawn.points == (n <= plot.MOST_POINTS)
    assert len(layout.images) == (0 if drawn.points else 2)


def test_traces_find_their_cells_again() -> None:
    xy = many(500)
    groups = pd.Series(pd.Categorical(np.where(xy[:, 0] > 0, "a", "b")))
    for colour in (Colour("g", groups=groups), Colour("v", values=xy[:, 1]), Colour()):
        drawn = plot.draw(xy, two_panels(500), colour)
        assert len(drawn.traces) == len(drawn.figure.data)
        for rows, trace in zip(drawn.traces, drawn.figure.data, strict=True):
            np.testing.assert_array_equal(np.asarray(trace.x), xy[rows, 0])
        assert sorted(np.concatenate(drawn.traces)) == list(range(500))


def test_zooming_in_reaches_single_cells() -> None:
    xy = many(60_000)
    panel = [Panel("all", np.arange(60_000))]
    far = plot.draw(xy, panel, Colour("v", values=xy[:, 0]))
    near = plot.draw(xy, panel, Colour("v", values=xy[:, 0]), window=Window(0, 0.4, 0, 0.4))
    assert not far.points and near.points
    inside = ((xy >= 0) & (xy <= 0.4)).all(axis=1).sum()
    assert near.visible == inside == len(near.traces[0])


@pytest.mark.parametrize("aggregate", ["mean", "count"])
@pytest.mark.parametrize("kind", ["values", "groups", "none"])
def test_no_redraw_is_half_a_megabyte(kind: str, aggregate: str) -> None:
    for n in (plot.MOST_POINTS, 200_000):
        xy = many(n)
        groups = pd.Series(pd.Categorical((xy[:, 0] * 8).round().astype(int).astype(str)))
        colour = {
            "values": Colour("CD69", values=xy[:, 1]),
            "groups": Colour("type", groups=groups),
            "none": Colour(),
        }[kind]
        names = [f"AAACATACAACCAC-{i}" for i in range(n)]
        drawn = plot.draw(xy, two_panels(n), colour, names=names, aggregate=aggregate)
        assert len(drawn.figure.to_json()) < 500_000
    few = plot.draw(
        many(8_000), two_panels(8_000), Colour("v", values=many(8_000)[:, 0]), names=names
    )
    assert few.figure.data[0].text is not None and len(few.figure.to_json()) < 500_000


def test_the_scale_starts_at_zero_and_is_clipped() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(1, 2, 99), [50]]).astype(np.float32)
    every = np.arange(1000)
    low, high = plot.colour_range(Colour("g", values=values), every)
    assert low == 0 and 1.9 < high < 3
    assert plot.colour_range(Colour("g", values=values), every, clip=False) == (0, 50)
    low, high = plot.colour_range(Colour("s", values=values - 1, signed=True), every)
    assert low == -high
    assert plot.colour_range(Colour("z", values=np.zeros(3, np.float32)), np.arange(3))[1] > 0


def test_numbers_are_written_as_people_do() -> None:
    assert [plot.written(v) for v in (0.57312, 12.0, 999.6, 1439.7, -25_000.0)] == [
        *("0.573", "12", "1,000", "1,440", "-25,000"),
    ]


def test_hostile_names_are_text() -> None:
    groups = pd.Series(pd.Categorical([HOSTILE, "b"] * 50))
    drawn = plot.draw(
        many(100),
        [Panel(HOSTILE, np.arange(50)), Panel("b", np.arange(50, 100))],
        Colour(HOSTILE, groups=groups),
        names=[HOSTILE] * 100,
        axes=(HOSTILE, "2"),
    )
    spec = drawn.figure.to_dict()
    for trace in spec["data"]:
        trace.pop("legendgroup", None)  # an identifier, never drawn
    assert HOSTILE not in json.dumps(spec, default=str)


def test_data_uri_is_the_png() -> None:
    png = raster.paint_values(np.ones((2, 2)), 0, 1, LIGHT.sequential)
    assert base64.b64decode(raster.data_uri(png).split(",")[1]) == png
