"""Data that are computed rather than fetched."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.progress import OnProgress


@dataclass(frozen=True)
class Simulation:
    """Provider that calls ``module.function(**arguments, on_progress=…)`` when it is needed."""

    module: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """What computes it."""
        words = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"simulation {self.module}.{self.function}({words})"

    def make(self, on_progress: OnProgress) -> Any:
        """The simulated table."""
        function = getattr(importlib.import_module(self.module), self.function)
        return function(**self.arguments, on_progress=on_progress)
