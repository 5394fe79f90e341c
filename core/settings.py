"""Settings of one installation, from the environment (prefix ``PERTURBSCOPE_``) or a ``.env``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import SettingsError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
ASSETS = PROJECT_ROOT / "assets"
PREFIX = "PERTURBSCOPE_"


class Settings(BaseSettings):
    """Where things are kept, what they run on, and how much they may take."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, populate_by_name=True
    )

    workspace: Path = Field(
        PROJECT_ROOT / "workspace", description="Folder of data sets, runs and caches."
    )
    tracking_uri: str | None = Field(
        None,
        validation_alias=AliasChoices("PERTURBSCOPE_TRACKING_URI", "MLFLOW_TRACKING_URI"),
        description="MLflow tracking server; default: a SQLite file in the workspace.",
    )
    scheduler_address: str | None = Field(
        None,
        validation_alias=AliasChoices("PERTURBSCOPE_SCHEDULER_ADDRESS", "DASK_SCHEDULER_ADDRESS"),
        description="Dask scheduler, as tcp://host:port; default: a local cluster of our own.",
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps.")
    workers: int = Field(1, ge=1, le=256, description="Workers of the local cluster.")
    upload_limit_mb: int = Field(2048, ge=1, description="Largest upload that is read, in MB.")
    memory_limit_gb: float = Field(8.0, gt=0, description="Memory limit of one worker, in GB.")
    import_limit_s: float = Field(
        600, gt=0, description="Seconds that reading a user's file may take before it is stopped."
    )
    chunked_above_mb: int = Field(
        2000,
        ge=0,
        description="Cells whose values take more than this in memory, in MB, are read and "
        "preprocessed in chunks (through Dask) instead of at once.",
    )
    mirror: str | None = Field(
        None,
        description="Folder or base URL that replaces the hosts of downloads (air-gapped labs).",
    )

    @field_validator("workspace")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        value = value.expanduser().resolve()
        if value.exists() and not value.is_dir():
            raise ValueError(f"{value} is a file, a folder is needed")
        return value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        kind, _, index = value.partition(":")
        if kind not in {"auto", "cpu", "cuda", "mps"} or (index and not index.isdigit()):
            raise ValueError("use auto, cpu, cuda, cuda:N or mps")
        return value

    @field_validator("scheduler_address")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value and "://" not in value:
            raise ValueError("write it as tcp://host:port")
        return value or None

    @property
    def datasets_folder(self) -> Path:
        """Prepared data sets, one folder each."""
        return self.workspace / "datasets"

    @property
    def downloads_folder(self) -> Path:
        """Files as they were fetched."""
        return self.workspace / "downloads"

    @property
    def runs_folder(self) -> Path:
        """Runs, one folder each."""
        return self.workspace / "runs"

    @property
    def mlflow_uri(self) -> str:
        """The tracking URI in force."""
        return self.tracking_uri or f"sqlite:///{self.workspace / 'mlflow.db'}"


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises
    ------
    SettingsError
        Naming every setting that is wrong, and what it may be.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            name = str(fault["loc"][0]) if fault["loc"] else "?"
            name = name if name.isupper() else PREFIX + name.upper()
            reason = fault["msg"].removeprefix("Value error, ")
            faults.append(f"{name}={fault['input']!r}: {reason}")
        raise SettingsError("Unusable settings: " + "; ".join(faults) + ".") from None


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()
