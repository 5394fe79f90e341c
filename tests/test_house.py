"""The rules of the house, held by tests: see docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT

#: Rooms from left to right; a module imports only from its own room and those before it.
ROOMS = (
    ("errors", "registry", "progress"),
    ("settings",),
    ("isolated",),
    ("data",),
    ("molecules",),
    ("featurizers",),
    ("models",),
    ("training",),
    ("metrics",),
    ("studies",),
    ("runs",),
    ("plots",),
    ("cli", "__main__"),
)
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}
MODULES = sorted((PROJECT_ROOT / "core").rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room(dotted: str) -> str | None:
    parts = dotted.split(".")
    return parts[1] if parts[0] == "core" and len(parts) > 1 else None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_imports_run_from_left_to_right(path: Path) -> None:
    own = path.relative_to(PROJECT_ROOT / "core").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    assert own in RANK, f"core/{own} is not a room of the house: add it to docs and to this test"
    for imported in _imports(path):
        assert imported.split(".")[0] not in {"streamlit", "pages", "app"}, imported
        room = _room(imported)
        if room in RANK:
            assert RANK[room] <= RANK[own], f"{path.name} reaches right: {imported}"


def test_every_room_is_in_the_architecture_page() -> None:
    page = (PROJECT_ROOT / "docs" / "architecture.md").read_text()
    for room in {path.relative_to(PROJECT_ROOT / "core").parts[0] for path in MODULES}:
        name = room.removesuffix(".py")
        if name not in {"__init__", "__main__"}:
            assert name in page, f"core/{room} is missing in docs/architecture.md"


def test_requirements_are_pinned_exactly() -> None:
    for name in (
        "requirements.txt",
        "requirements-peers.txt",
        "requirements-dev.txt",
        "constraints.txt",
    ):
        for line in (PROJECT_ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-r")):
                assert "==" in line, f"{name}: {line} is not pinned"


def test_constraints_agree_with_requirements() -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (PROJECT_ROOT / name).read_text().splitlines()
        pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
        return {key.strip().lower().replace("_", "-"): value.strip() for key, value in pairs}

    constraints = pins("constraints.txt")
    required = (
        pins("requirements.txt") | pins("requirements-peers.txt") | pins("requirements-dev.txt")
    )
    for name, version in required.items():
        if name != "torch":  # its build carries the machine's own suffix
            assert constraints.get(name) == version, name
