from __future__ import annotations

import pytest

from core.errors import ConfigError
from core.registry import Registry


def test_members_keep_their_order_words_and_tags() -> None:
    registry: Registry[type] = Registry("thing")

    @registry.register("b", label="B", help="The second letter.", kind="letter")
    class B:
        pass

    registry.add("a", int, label="A", help="The first letter.")
    assert registry.names() == ["b", "a"]
    assert registry.get("b").value is B
    assert registry.get("b").tags == {"kind": "letter"}
    assert [entry.label for entry in registry] == ["B", "A"]
    assert "a" in registry and "c" not in registry and len(registry) == 2


def test_an_unknown_name_lists_the_known_ones() -> None:
    registry: Registry[int] = Registry("model")
    registry.add("mlp", 1, label="MLP", help="")
    with pytest.raises(ConfigError, match="no model called 'mpl'; known: mlp"):
        registry.get("mpl")


def test_a_name_is_taken_once() -> None:
    registry: Registry[int] = Registry("model")
    registry.add("mlp", 1, label="MLP", help="")
    with pytest.raises(ValueError, match="registered twice"):
        registry.add("mlp", 2, label="MLP", help="")
