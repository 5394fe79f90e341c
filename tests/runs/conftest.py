from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import Settings, load_settings


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An MLflow store that tests share: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def tracked(tmp_path: Path, tracking: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty workspace with the shared MLflow store."""
    monkeypatch.chdir(tmp_path)  # where MLflow would leave artefacts, if it were let
    return load_settings(workspace=tmp_path / "workspace", device="cpu", tracking_uri=tracking)
