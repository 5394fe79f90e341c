"""Where networks run, and in which arithmetic."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from core.errors import SettingsError
from core.settings import get_settings


def resolve_device(name: str = "auto", default: str | None = None) -> torch.device:
    """The device that ``name`` stands for on this machine.

    Parameters
    ----------
    name
        ``"auto"``, ``"cpu"``, ``"mps"``, ``"cuda"`` or ``"cuda:N"``.
    default
        What ``"auto"`` means; default: the installation's setting. If that is ``"auto"`` too, a
        GPU where there is one, else the CPU.

    Raises
    ------
    SettingsError
        If the device is asked for by name and this machine does not have it.
    """
    if name == "auto":
        name = default or get_settings().device
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise SettingsError(
                f"The device '{name}' is not here: this machine has {count} GPU(s)."
            )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("The device 'mps' is not here: this machine has no Apple GPU.")
    return device


def autocast(device: torch.device, precision: str = "auto") -> AbstractContextManager[object]:
    """Mixed precision for the forward pass.

    ``"auto"`` means bfloat16 on a GPU that has it and float32 elsewhere; losses are computed in
    float32 in either case.
    """
    if precision == "auto":
        wanted = device.type == "cuda" and torch.cuda.is_bf16_supported()
    else:
        wanted = precision == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16) if wanted else nullcontext()
