"""Many cells as an image: datashader aggregates, painted with few colours so that it stays small.

Up to a million points would be tens of megabytes in the browser. Here each pixel shows what lies
in it: the mean of a value, the number of cells, or the group that most of them belong to, and
nothing but an indexed PNG of some ten kilobytes leaves the server.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.plots.theme import Palette

#: Pixels of one panel's image, width and height.
SIZE = (960, 520)
SHADES = 200
#: Opacities from a lone cell to a crowd, in group images: sparse pixels stay readable.
CROWDS = (150, 190, 225, 255)
#: Colour entries that a PNG palette can hold beside the transparent one.
MOST_ENTRIES = 255


@dataclass(frozen=True)
class Window:
    """A part of the plane: what the image shows, in the embedding's units."""

    x0: float
    x1: float
    y0: float
    y1: float

    @property
    def x_range(self) -> tuple[float, float]:
        """Left and right."""
        return self.x0, self.x1

    @property
    def y_range(self) -> tuple[float, float]:
        """Bottom and top."""
        return self.y0, self.y1

    def inside(self, coordinates: np.ndarray) -> np.ndarray:
        """Which of the points ``(n, 2)`` lie in it, boolean ``(n,)``."""
        x, y = coordinates[:, 0], coordinates[:, 1]
        return (x >= self.x0) & (x <= self.x1) & (y >= self.y0) & (y <= self.y1)


def window_of(coordinates: np.ndarray, margin: float = 0.04) -> Window:
    """The part of the plane that holds all finite points, with a margin on each side."""
    points = coordinates[np.isfinite(coordinates).all(axis=1)]
    if not len(points):
        return Window(-1.0, 1.0, -1.0, 1.0)
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    pad = np.maximum((high - low) * margin, 1e-6)
    low, high = low - pad, high + pad
    return Window(float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def count_cells(
    coordinates: np.ndarray, window: Window, *, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """Cells in each pixel, ``(height, width)``, first row at the bottom."""
    import datashader as ds

    frame = pd.DataFrame({"x": coordinates[:, 0], "y": coordinates[:, 1]}, copy=False)
    return _canvas(window, size).points(frame, "x", "y", agg=ds.count()).to_numpy()


def mean_values(
    coordinates: np.ndarray, values: np.ndarray, window: Window, *, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """Mean value of each pixel's cells, ``(height, width)``, NaN where there is none."""
    import datashader as ds

    frame = pd.DataFrame({"x": coordinates[:, 0], "y": coordinates[:, 1], "v": values}, copy=False)
    return _canvas(window, size).points(frame, "x", "y", agg=ds.mean("v")).to_numpy()


def count_groups(
    coordinates: np.ndarray, labels: pd.Categorical, window: Window, *, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """Cells of each group in each pixel, ``(height, width, n_groups)``."""
    import datashader as ds

    frame = pd.DataFrame({"x": coordinates[:, 0], "y": coordinates[:, 1], "g": labels}, copy=False)
    return _canvas(window, size).points(frame, "x", "y", agg=ds.by("g", ds.count())).to_numpy()


def _canvas(window: Window, size: tuple[int, int]) -> Any:
    import datashader as ds

    return ds.Canvas(
        plot_width=size[0], plot_height=size[1], x_range=window.x_range, y_range=window.y_range
    )


def paint_values(
    pixels: np.ndarray, low: float, high: float, colours: tuple[str, ...], *, spread: int = 0
) -> bytes:
    """An indexed PNG of values, NaN transparent.

    Parameters
    ----------
    pixels
        ``(height, width)``, first row at the bottom.
    low, high
        Values of the first and the last colour; what lies beyond takes the nearest.
    spread
        Pixels by which each filled pixel grows on every side; the higher value stays on top.
    """
    filled = np.isfinite(pixels)
    share = (np.where(filled, pixels, low) - low) / (high - low if high > low else 1.0)
    index = np.where(filled, 1 + np.clip(share * (SHADES - 1), 0, SHADES - 1), 0).astype(np.uint8)
    table = np.zeros((SHADES + 1, 4), dtype=np.uint8)
    table[1:] = _ramp(colours, SHADES)
    return _png(_grown(index, spread), table)


def paint_groups(counts: np.ndarray, colours: list[str], *, spread: int = 0) -> bytes:
    """An indexed PNG in which each pixel has its most frequent group's colour.

    The more cells a pixel holds, the more opaque it is, by the logarithm.

    Parameters
    ----------
    counts
        ``(height, width, n_groups)``.
    colours
        One for each group; groups beyond 63 share the last one's entry.
    """
    n = min(counts.shape[2], MOST_ENTRIES // len(CROWDS))
    total = counts.sum(axis=2)
    winner = np.minimum(counts.argmax(axis=2), n - 1)
    peak = np.log1p(max(int(total.max()), 1))
    step = np.minimum(np.log1p(total) / peak * len(CROWDS), len(CROWDS) - 1).astype(np.int64)
    index = np.where(total > 0, 1 + winner * len(CROWDS) + step, 0).astype(np.uint8)
    table = np.zeros((1 + n * len(CROWDS), 4), dtype=np.uint8)
    for group in range(n):
        for i, opacity in enumerate(CROWDS):
            table[1 + group * len(CROWDS) + i] = (*_rgb(colours[group]), opacity)
    return _png(_grown(index, spread), table)


def spread_for(n_visible: int, size: tuple[int, int] = SIZE) -> int:
    """By how many pixels marks grow, so that few cells in a large plane can still be seen."""
    share = n_visible / (size[0] * size[1])
    return 2 if share < 0.05 else 1 if share < 0.6 else 0


def _grown(index: np.ndarray, pixels: int) -> np.ndarray:
    """Each filled pixel spreads to its neighbours where these are empty; higher ones win."""
    if not pixels:
        return index
    from scipy.ndimage import maximum_filter

    around = maximum_filter(index, size=2 * pixels + 1)
    return np.where(index > 0, index, around)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _ramp(colours: tuple[str, ...], n: int) -> np.ndarray:
    """``n`` opaque RGBA entries from the first colour to the last."""
    known = np.array([_rgb(c) for c in colours], dtype=float)
    at = np.linspace(0, len(colours) - 1, n)
    rgb = [np.interp(at, np.arange(len(colours)), known[:, k]) for k in range(3)]
    return np.column_stack([*rgb, np.full(n, 255.0)]).round().astype(np.uint8)


def _png(index: np.ndarray, table: np.ndarray) -> bytes:
    """Rows from the bottom upwards as a PNG with its own palette."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(index[::-1]))
    image = image.convert("L") if image.mode != "L" else image
    picture = Image.frombytes("P", image.size, image.tobytes())
    picture.putpalette(table[:, :3].tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=table[:, 3].tobytes(), optimize=True)
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG as an address that a figure can hold."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def group_colours(n: int, palette: Palette) -> list[str]:
    """``n`` colours: the house's, then the same ones lighter and darker."""
    base = list(palette.categorical)
    found = list(base)
    for share, towards in ((0.45, 255), (0.35, 0), (0.7, 255)):
        for colour in base:
            mixed = [round(c * (1 - share) + towards * share) for c in _rgb(colour)]
            found.append("#" + "".join(f"{c:02x}" for c in mixed))
    return [found[i % len(found)] for i in range(n)]
