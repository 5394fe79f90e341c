"""``python -m core static``: put the 3D viewer's script where the app serves it."""

from __future__ import annotations

import sys

from core.errors import FetchError
from core.molecules.viewer_script import place

NAME = "static"


def app() -> None:
    """Place the 3D viewer's script in static/, so that molecules turn without internet.

    Never fails: where npm is missing or offline the viewer loads its script from a CDN, and the
    page says so.
    """
    try:
        print(f"3D viewer: {place().name} is in place.")
    except FetchError as error:
        print(f"3D viewer: {error}", file=sys.stderr)
