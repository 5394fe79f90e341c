"""The same run on the command line."""

from __future__ import annotations

import json
import shlex
from enum import Enum
from typing import Any

from core.cli._options import flags, leaves
from core.studies.base import StudyConfig


def command_line(study: str, config: StudyConfig) -> str:
    """``python -m core run …`` with an option for each value that is not the default.

    Every name and value is quoted for a POSIX shell.
    """
    words = ["python", "-m", "core", "run", study, *options(config)]
    return " ".join(shlex.quote(word) for word in words)


def options(config: StudyConfig) -> list[str]:
    """Options that make ``config``, as words."""
    every = leaves(type(config))
    names = flags(every)
    words: list[str] = []
    for leaf in every:
        group: Any = config
        for part in leaf.path[:-1]:
            group = getattr(group, part)
        value = getattr(group, leaf.path[-1])
        default = leaf.field.get_default(call_default_factory=True)
        if value == default:
            continue
        name = names[leaf.dotted][0]
        if leaf.parts:
            for member in value:
                words += [name, _part(member)]
        elif leaf.is_bool:
            words.append(name if value else f"--no-{name[2:]}")
        else:
            words += [name, _text(value)]
    return words


def _part(member: Any) -> str:
    """``mlp:dropout=0.2,head_width=64``."""
    pairs = ",".join(f"{key}={_literal(value)}" for key, value in member.params.items())
    return f"{member.name}:{pairs}" if pairs else str(member.name)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(_text(item) for item in value)
    return str(value.value if isinstance(value, Enum) else value)


def _literal(value: Any) -> str:
    """A value as the command line reads it back: JSON where a bare word would be misread."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and value.replace("_", "").replace("-", "").isalpha():
        return (
            value if value.lower() not in {"none", "null", "true", "false"} else json.dumps(value)
        )
    return json.dumps(list(value) if isinstance(value, tuple | set | frozenset) else value)
