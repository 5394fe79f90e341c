"""Checkpoints of a training: safetensors files, each written whole or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from core.errors import RunError

LAST, BEST = "last.safetensors", "best.safetensors"


@dataclass
class Checkpoint:
    """Tensors and JSON-able scalars of one moment of a training."""

    tensors: dict[str, torch.Tensor]
    scalars: dict[str, Any] = field(default_factory=dict)


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint``; scalars travel as JSON in the same file, so both are of one moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()}
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata={"scalars": json.dumps(checkpoint.scalars)})
    part.replace(path)


def read(path: Path) -> Checkpoint | None:
    """Read a checkpoint back; ``None`` if there is none.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            scalars = json.loads((file.metadata() or {}).get("scalars", "{}"))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise RunError(
            f"The checkpoint {path.name} in {path.parent} is damaged: {error}."
        ) from None
    return Checkpoint(tensors, scalars)


def pack(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer | None = None
) -> dict[str, torch.Tensor]:
    """Tensors of a network and its optimizer by flat names."""
    tensors = {f"network.{name}": t for name, t in network.state_dict().items()}
    if optimizer is not None:
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer.{index}.{key}"] = torch.as_tensor(value)
    return tensors


def part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Tensors whose name begins with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def unpack(
    tensors: dict[str, torch.Tensor],
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Put :func:`pack`'s tensors back in place."""
    network.load_state_dict(part(tensors, "network."))
    if optimizer is None:
        return
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
