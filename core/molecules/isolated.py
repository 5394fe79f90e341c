"""RDKit calls that may never return, in a process of their own: see :mod:`core.isolated`."""

from __future__ import annotations

from typing import Any

from core.isolated import Pool, TimeLimitError
from core.molecules.parse import MoleculeError

__all__ = ["TimeLimitError", "call", "stop_all"]

#: Largest address space of the helper, in bytes (Linux only).
MEMORY = 4 * 1024**3

_pool = Pool("core.molecules", MoleculeError, "ran out of memory or crashed on this molecule")
_idle = _pool.idle
stop_all = _pool.stop_all


def call(function: str, arguments: dict[str, Any], *, timeout: float, what: str) -> Any:
    """Run ``core.molecules.<module>:<function>`` in a helper, at most ``timeout`` seconds.

    Raises
    ------
    TimeLimitError
        When the time was up.
    MoleculeError
        When the function raised a :class:`core.errors.PerturbScopeError`, or its process died.
    """
    return _pool.call(function, arguments, timeout=timeout, what=what, memory=MEMORY)
