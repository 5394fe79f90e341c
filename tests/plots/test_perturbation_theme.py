from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from core.plots import export, theme
from core.plots.theme import DARK, LIGHT, Palette
from core.settings import PROJECT_ROOT

PALETTES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
#: Linear-RGB simulation of colour blindness at full severity (Machado et al. 2009,
#: https://doi.org/10.1109/TVCG.2009.113, table 1).
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear RGB."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    ratio = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (841 / 108) * ratio + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(a: str, b: str) -> float:
    """Contrast ratio of WCAG 2."""
    light, dark = sorted((linear(c) @ [0.2126, 0.7152, 0.0722] for c in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_knows_black_on_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@PALETTES
def test_categories_stand_out_from_the_page(palette: Palette) -> None:
    for colour in palette.categorical:
        assert contrast(colour, palette.background) >= 3, colour
    assert contrast(palette.text, palette.background) >= 7


@PALETTES
@pytest.mark.parametrize("matrix", BLINDNESS.values(), ids=BLINDNESS)
def test_categories_stay_apart(palette: Palette, matrix: np.ndarray) -> None:
    seen = {c: lab(matrix @ linear(c)) for c in palette.categorical}
    for a, b in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[a] - seen[b]) > 10, (a, b)


@PALETTES
@pytest.mark.parametrize("matrix", BLINDNESS.values(), ids=BLINDNESS)
def test_ends_of_the_diverging_scale_and_splits_stay_apart(
    palette: Palette, matrix: np.ndarray
) -> None:
    def far(a: str, b: str) -> float:
        return float(np.linalg.norm(lab(matrix @ linear(a)) - lab(matrix @ linear(b))))

    assert far(palette.up, palette.down) > 40
    for a, b in itertools.combinations(palette.splits.values(), 2):
        assert far(a, b) > 14, (a, b)


@PALETTES
def test_scales_run_evenly_in_lightness(palette: Palette) -> None:
    lightness = [lab(linear(c))[0] for c in palette.sequential]
    steps = np.diff(lightness)
    assert (steps < 0).all() or (steps > 0).all()
    assert len(palette.sequential) == len(palette.diverging) == 10
    middle = [lab(linear(c))[0] for c in palette.diverging]
    away = np.abs(np.array(middle) - lab(linear(palette.background))[0])
    assert (np.diff(away[:5]) < 0).all()
    assert (np.diff(away[5:]) > 0).all()


@PALETTES
def test_streamlit_theme_has_the_same_colours(palette: Palette) -> None:
    config = tomllib.loads((PROJECT_ROOT / ".streamlit" / "config.toml").read_text())
    options = config["theme"][palette.mode]
    assert tuple(options["chartCategoricalColors"]) == palette.categorical
    assert tuple(options["chartSequentialColors"]) == palette.sequential
    assert tuple(options["chartDivergingColors"]) == palette.diverging
    assert options["backgroundColor"] == palette.background
    assert options["textColor"] == palette.text


def test_config_keeps_to_this_machine() -> None:
    config = tomllib.loads((PROJECT_ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "localhost"
    assert config["browser"]["gatherUsageStats"] is False
    assert config["server"]["enableStaticServing"] is True
    assert config["client"]["showErrorDetails"] == "none"


def test_unknown_mode_is_light() -> None:
    assert theme.palette(None) is LIGHT
    assert theme.palette("dark") is DARK


def test_labels_are_not_interpreted() -> None:
    assert theme.label("<b>x</b> & 'y'") == "&lt;b&gt;x&lt;/b&gt; &amp; 'y'"
    assert theme.shorten("abcdef", 4) == "abc…"
    assert theme.shorten("<" * 50, 10).count("&lt;") == 9


def test_colours_repeat_and_keep_order() -> None:
    names = [str(i) for i in range(12)]
    colours = LIGHT.colours(names)
    assert colours["0"] == colours["10"] == LIGHT.categorical[0]
    assert list(colours) == names


@pytest.mark.parametrize(
    ("parts", "stem"),
    [
        (("CD69", "T cells CD4+"), "CD69-T-cells-CD4"),
        (("../../etc/passwd",), "etc-passwd"),
        (("<script>", "–"), "script"),
        ((), "figure"),
    ],
)
def test_file_stem(parts: tuple[str, ...], stem: str) -> None:
    assert export.file_stem(*parts) == stem


def test_file_stem_is_short() -> None:
    assert len(export.file_stem("x" * 500)) == 80


def test_csv_reads_back() -> None:
    frame = pd.DataFrame({"sm_name": ['a,"b"', "<b>µ</b>"], "value": [1.5, -2.0]})
    text = export.csv_bytes(frame).decode()
    assert text.splitlines()[0] == "sm_name,value"
    from io import StringIO

    pd.testing.assert_frame_equal(pd.read_csv(StringIO(text)), frame)
    assert export.csv_bytes(frame.set_index("sm_name")).startswith(b"sm_name,value")


def test_html_stands_alone(tmp_path: Path) -> None:
    fig = go.Figure(go.Bar(x=["a"], y=[1]))
    path = export.write_html(fig, tmp_path / "f.html", palette=DARK)
    text = path.read_text()
    assert DARK.background in text
    assert 'src="https://cdn' not in text
    assert fig.layout.paper_bgcolor is None, "the figure itself is left as it was"
