"""The 3D viewer: an HTML page around py3Dmol that shows one conformer.

The viewer is given only a mol block that RDKit wrote from atoms and coordinates (no name, no
property, nothing a user typed), and its script from this server, so that it works offline.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import py3Dmol

from core.molecules.conformers import Conformer

#: py3Dmol is made for one version of the script: its own number.
VERSION: str = py3Dmol.__version__
#: Where py3Dmol itself takes the script from when it was not placed in ``static/``.
CDN: str = inspect.signature(py3Dmol.view).parameters["js"].default
_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_PATH = re.compile(r"(https://)?[A-Za-z0-9/._@:-]+")
#: Carbon of a dark page; the usual grey of Jmol's colours is too dark there.
_CARBON = {"dark": "#c3ccd6", "light": "#7a828c"}


class Style(StrEnum):
    """How the molecule is drawn."""

    STICK = "Stick"
    BALL_AND_STICK = "Ball and stick"
    SPHERE = "Sphere"
    SURFACE = "Surface"


def viewer_html(
    conformer: Conformer,
    *,
    style: Style = Style.STICK,
    spin: bool = False,
    hydrogens: bool = True,
    highlight: Sequence[int] = (),
    highlight_colour: str = "#e69f00",
    background: str = "#ffffff",
    dark: bool = False,
    script: str = CDN,
    height: int = 400,
) -> str:
    """HTML document with the viewer in it.

    Parameters
    ----------
    style
        Drawing style.
    spin
        Turn slowly by itself.
    hydrogens
        Draw hydrogens on carbon too; those on other atoms are always drawn.
    highlight
        Indices of atoms that are drawn thick and in ``highlight_colour``.
    background, highlight_colour
        ``#rrggbb``.
    script
        Address of ``3Dmol-min.js``.
    height
        Pixels.

    Raises
    ------
    ValueError
        Where a colour or the script's address is not of the expected form.
    """
    for colour in (background, highlight_colour):
        if not _HEX.fullmatch(colour):
            raise ValueError(f"{colour!r} is not a colour of the form #rrggbb")
    if not _PATH.fullmatch(script):
        raise ValueError(f"{script!r} is not an address of a script")
    view = py3Dmol.view(width="100%", height=int(height), js=script)
    view.addModel(conformer.mol_block, "mol")
    view.setStyle({}, _look(style, dark))
    if not hydrogens:
        hidden = _hydrogens_on_carbon(conformer)
        if hidden:
            view.setStyle({"index": hidden}, {})
    if highlight:
        chosen = {"index": [int(atom) for atom in highlight]}
        view.setStyle(chosen, _highlight(style, highlight_colour))
    if style is Style.SURFACE:
        view.addSurface(py3Dmol.SES, {"opacity": 0.62, "colorscheme": _scheme(dark)})
    view.setBackgroundColor(background)
    view.zoomTo()
    if spin:
        view.spin("y", 0.6)
    body = view._make_html()
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>3D structure</title>'
        f"<style>html,body{{margin:0;overflow:hidden;background:{background}}}</style></head>"
        f"<body>{_inert(body, conformer.mol_block)}</body></html>"
    )


def _inert(body: str, block: str) -> str:
    """The page's body, with the one string from outside unable to end its script element."""
    written = json.dumps(block)
    return body.replace(written, written.replace("<", "\\u003c"))


def _scheme(dark: bool) -> dict[str, Any]:
    return {"prop": "elem", "map": _colours(dark)}


def _colours(dark: bool) -> dict[str, str]:
    """Colours of the elements, near Jmol's, with a carbon that suits the page."""
    return {
        "C": _CARBON["dark" if dark else "light"],
        "H": "#e8ebee" if dark else "#c9ced4",
        "N": "#5b7cff" if dark else "#2f55e0",
        "O": "#ff5a52" if dark else "#d6251f",
        "S": "#e6c84a" if dark else "#b89a00",
        "P": "#ff9f40",
        "F": "#5fd38a" if dark else "#2aa55a",
        "Cl": "#5fd38a" if dark else "#1f8f4a",
        "Br": "#c0693a",
        "I": "#a45bd0",
        "B": "#ffb5b5",
    }


def _look(style: Style, dark: bool) -> dict[str, Any]:
    scheme = _scheme(dark)
    if style is Style.SPHERE:
        return {"sphere": {"colorscheme": scheme}}
    if style is Style.BALL_AND_STICK:
        return {
            "stick": {"radius": 0.13, "colorscheme": scheme},
            "sphere": {"scale": 0.27, "colorscheme": scheme},
        }
    return {"stick": {"radius": 0.16, "colorscheme": scheme}}


def _highlight(style: Style, colour: str) -> dict[str, Any]:
    if style is Style.SPHERE:
        return {"sphere": {"color": colour}}
    return {"stick": {"radius": 0.24, "color": colour}, "sphere": {"scale": 0.32, "color": colour}}


def _hydrogens_on_carbon(conformer: Conformer) -> list[int]:
    return [
        atom.GetIdx()
        for atom in conformer.mol.GetAtoms()
        if atom.GetAtomicNum() == 1
        and all(neighbour.GetAtomicNum() == 6 for neighbour in atom.GetNeighbors())
    ]
