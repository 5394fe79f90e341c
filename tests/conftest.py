from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT, Settings, load_settings


def _shared() -> Path:
    return Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, or a skip that says so."""
    folder = _shared() / "data"
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set PERTURBSCOPE_SHARED to use it")
    return folder


@pytest.fixture(scope="session")
def shared_facts() -> Path:
    """The folder of published facts, or a skip that says so."""
    folder = _shared() / "facts"
    if not folder.is_dir():
        pytest.skip(f"published facts not found at {folder}; set PERTURBSCOPE_SHARED to use them")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with an empty workspace of the test's own."""
    return load_settings(workspace=tmp_path / "workspace", device="cpu")
