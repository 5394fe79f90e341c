"""Optional packages of peers: whether they are here, in one sentence."""

from __future__ import annotations

import importlib.util

from core.errors import ConfigError


def missing_package(package: str, method: str, module: str | None = None) -> str | None:
    """The sentence to show where ``package`` is not installed; None where it is."""
    if importlib.util.find_spec(module or package) is not None:
        return None
    return f"{method} needs the Python package '{package}', which is not installed here."


def require(sentence: str | None) -> None:
    """Raise :class:`ConfigError` with ``sentence`` if there is one."""
    if sentence:
        raise ConfigError(sentence)
