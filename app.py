"""The app's frame: page config, navigation, and the sidebar that every page shares."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.settings import ASSETS
from pages.components import frame
from pages.components.guard import guard
from pages.components.sidebar import sidebar

PAGES_FOLDER = Path(__file__).parent / "pages"

#: Group → (file, title, icon), in the order of the menu.
PAGES = {
    "Workspace": [
        ("home", "Home", ":material/home:"),
        ("datasets", "Data sets", ":material/database:"),
    ],
    "Perturbation": [
        ("explore", "Explore", ":material/biotech:"),
        ("train", "Train", ":material/model_training:"),
        ("runs", "Runs", ":material/monitoring:"),
        ("screen", "Screen", ":material/filter_alt:"),
    ],
    "Molecules": [
        ("molecules", "Molecules", ":material/hexagon:"),
    ],
    "Cells": [
        ("cells", "Cell explorer", ":material/bubble_chart:"),
        ("landmarks", "Landmark genes", ":material/flag:"),
        ("integration", "Batch integration", ":material/join:"),
        ("knockouts", "Knock-outs", ":material/content_cut:"),
    ],
}


def menu() -> dict[str, list]:
    """The pages that are there, by group; the first one is the home page."""
    groups: dict[str, list] = {}
    for group, entries in PAGES.items():
        for name, title, icon in entries:
            file = PAGES_FOLDER / f"{name}.py"
            if file.exists():
                page = st.Page(file, title=title, icon=icon, default=name == "home")
                groups.setdefault(group, []).append(page)
    return groups


st.set_page_config(
    page_title="PerturbScope",
    page_icon=str(ASSETS / "icon.svg"),
    layout="wide",
    menu_items={"About": "PerturbScope: explore, train and compare perturbation models."},
)
st.logo(str(ASSETS / "logo.svg"), size="large", icon_image=str(ASSETS / "icon.svg"))
page = st.navigation(menu())
name_dataset = sidebar()
with guard(), frame.drawn():
    page.run()
name_dataset()
