"""One registry for each family that users choose from: data sets, featurizers, models, studies.

A new member is one new file in the family's package; :func:`discover` imports every module
there, and its decorator does the rest, so the CLI and the pages show it without further edits.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from core.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered member: its value with the words that CLI and pages show for it."""

    name: str
    label: str
    help: str
    value: T
    tags: dict[str, Any] = field(default_factory=dict)


class Registry(Generic[T]):
    """Named members of one family, in order of registration."""

    def __init__(self, family: str, package: str | None = None) -> None:
        self.family = family
        self._package = package
        self._entries: dict[str, Entry[T]] = {}
        self._discovered = package is None

    def register(self, name: str, *, label: str, help: str, **tags: Any) -> Callable[[T], T]:
        """Decorator that adds a class, function or object under ``name``."""

        def add(value: T) -> T:
            self.add(name, value, label=label, help=help, **tags)
            return value

        return add

    def add(self, name: str, value: T, *, label: str, help: str, **tags: Any) -> Entry[T]:
        """Add ``value`` under ``name``; a name can be taken once."""
        if name in self._entries:
            raise ValueError(f"{self.family} '{name}' is registered twice")
        entry = Entry(name, label, help, value, tags)
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> Entry[T]:
        """Return the entry called ``name``; an unknown name is a :class:`ConfigError`."""
        self._discover()
        if name not in self._entries:
            known = ", ".join(self._entries) or "none"
            raise ConfigError(f"There is no {self.family} called '{name}'; known: {known}.")
        return self._entries[name]

    def names(self) -> list[str]:
        """Names in order of registration."""
        self._discover()
        return list(self._entries)

    def __iter__(self) -> Iterator[Entry[T]]:
        self._discover()
        return iter(list(self._entries.values()))

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._entries

    def __len__(self) -> int:
        self._discover()
        return len(self._entries)

    def _discover(self) -> None:
        if not self._discovered and self._package is not None:
            self._discovered = True
            discover(self._package)


def discover(package: str) -> None:
    """Import every module of ``package`` so that its decorators run."""
    root = importlib.import_module(package)
    for module in pkgutil.iter_modules(root.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{package}.{module.name}")
