"""A study of sleeping epochs, with a checkpoint after each; a Dask worker can preload it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from core.errors import DataError
from core.studies.base import STUDIES, StudyConfig, StudyContext


class ToyPart(StudyConfig):
    name: str = "mlp"
    params: dict[str, Any] = Field(default_factory=dict)


class ToyTraining(StudyConfig):
    epochs: int = Field(3, ge=1, le=1000, title="Epochs", description="Epochs to sleep through.")
    seconds: float = Field(0.0, ge=0, title="Seconds", description="Length of an epoch.")
    seed: int = 0


class ToyConfig(StudyConfig):
    """A study that sleeps."""

    name: str = ""
    dataset: str | None = Field(None, title="Data set", description="No data is read.")
    models: tuple[ToyPart, ...] = (ToyPart(),)
    training: ToyTraining = ToyTraining()
    seed: int = 0
    fault: str = Field("", title="Fault", description="Kind of error to end with.")


@dataclass(frozen=True)
class ToyResult:
    epochs: int

    def summary(self) -> dict[str, float]:
        return {"mrrmse": 1.0 / self.epochs, "mrrmse/B cells": 2.0 / self.epochs}

    def data_hash(self) -> str:
        return "toy-hash"


class ToyStudy:
    Config = ToyConfig

    def run(self, config: ToyConfig, context: StudyContext) -> ToyResult:
        checkpoint = context.folder / "checkpoint.json"
        first = 0
        if context.resume and checkpoint.exists():
            first = json.loads(checkpoint.read_text())["epochs"]
        (context.folder / "pids.txt").open("a").write(f"{os.getpid()} {first}\n")
        for epoch in range(first, config.training.epochs):
            context.check_cancelled()
            time.sleep(0 if context.resume else config.training.seconds)
            loss = 1.0 / (epoch + 1)
            context.on_epoch(
                {
                    "model": "mlp",
                    "fold": 0,
                    "epoch": epoch,
                    "train_loss": loss,
                    "val_loss": loss + 0.1,
                    "val_mrrmse": loss,
                    "learning_rate": 0.001,
                    "seconds": config.training.seconds,
                }
            )
            context.on_progress(epoch + 1, config.training.epochs, f"epoch {epoch + 1}")
            part = checkpoint.with_suffix(".part")
            part.write_text(json.dumps({"epochs": epoch + 1}))
            part.replace(checkpoint)
        if config.fault == "data":
            raise DataError("The toy table has no rows.")
        if config.fault == "bug":
            raise ValueError("a bug\nwith more lines")
        return ToyResult(config.training.epochs)

    def load(self, folder: Path) -> ToyResult:
        return ToyResult(json.loads((folder / "checkpoint.json").read_text())["epochs"])


def register() -> None:
    """Add the toy study, once a process."""
    if "toy" not in STUDIES:
        STUDIES.add("toy", ToyStudy(), label="Toy", help="Sleeps through its epochs.")


register()
