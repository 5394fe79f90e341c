"""What every section of the landmarks page looks at."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.data import get_dataset
from core.plots.theme import Palette
from core.settings import get_settings
from core.studies.landmarks.config import LandmarkDataConfig
from core.studies.landmarks.data import LandmarkData, load_landmark_data


@dataclass(frozen=True)
class LandmarkView:
    """The prepared cells, how they were prepared, and the colours of the page.

    Attributes
    ----------
    data
        Shared by all sessions: read it only.
    palette
        Colours of the reader's theme.
    """

    data: LandmarkData
    palette: Palette

    @property
    def id(self) -> str:
        """Id of the data set."""
        return self.data.id

    @property
    def config(self) -> LandmarkDataConfig:
        """Filters and normalisation; a study that is begun from here takes them over."""
        return self.data.config

    @property
    def key(self) -> str:
        """What identifies the content in a cache."""
        return self.data.content_hash

    def name(self, *parts: object) -> str:
        """Stem of exported files."""
        return " ".join(str(part) for part in (self.data.id, *parts))


@st.cache_resource(max_entries=3, show_spinner="Filtering and normalising the cells …")
def _opened(id: str, content_hash: str | None, config: LandmarkDataConfig) -> LandmarkData:
    return load_landmark_data(id, config, get_settings())


def opened(id: str, config: LandmarkDataConfig) -> LandmarkData:
    """The data set ``id`` under ``config``: prepared once for all sessions, so read it only."""
    return _opened(id, get_dataset(id, get_settings()).content_hash, config)
