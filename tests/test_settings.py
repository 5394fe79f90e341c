from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of this machine and no .env of the checkout may leak in."""
    for name in ("MLFLOW_TRACKING_URI", "DASK_SCHEDULER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_keep_everything_in_the_workspace(tmp_path: Path) -> None:
    settings = load_settings(workspace=tmp_path / "w")
    assert settings.mlflow_uri == f"sqlite:///{tmp_path / 'w' / 'mlflow.db'}"
    for folder in (settings.datasets_folder, settings.runs_folder, settings.downloads_folder):
        assert folder.parent == tmp_path / "w"
    assert settings.scheduler_address is None


def test_the_usual_variables_of_mlflow_and_dask_are_honoured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:8786")
    settings = load_settings()
    assert settings.mlflow_uri == "http://127.0.0.1:5000"
    assert settings.scheduler_address == "tcp://127.0.0.1:8786"


def test_our_own_prefix_wins_over_the_usual_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    monkeypatch.setenv("PERTURBSCOPE_TRACKING_URI", "http://127.0.0.1:6000")
    assert load_settings().mlflow_uri == "http://127.0.0.1:6000"


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PERTURBSCOPE_WORKERS=3\nSOMETHING_ELSE=1\n")
    assert load_settings().workers == 3


def test_every_bad_value_is_named_with_what_it_may_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PERTURBSCOPE_DEVICE", "gpu")
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "localhost")
    monkeypatch.setenv("PERTURBSCOPE_WORKERS", "0")
    monkeypatch.setenv("PERTURBSCOPE_WORKSPACE", str(tmp_path / "file"))
    with pytest.raises(SettingsError) as raised:
        load_settings()
    message = str(raised.value)
    for part in ("DEVICE='gpu'", "cuda", "SCHEDULER_ADDRESS", "tcp://", "WORKERS", "WORKSPACE"):
        assert part in message
    assert "\n" not in message
