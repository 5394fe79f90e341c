"""A study's frozen config as command-line options: one place for both."""

from __future__ import annotations

import inspect
import json
import types
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Union, cast, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from core.errors import ConfigError
from core.studies.base import StudyConfig

#: Options of ``run`` itself; a field of such a name is reached by its dotted path only.
RESERVED = frozenset({"config", "set", "background", "help"})
_NULLS = frozenset({"", "none", "null"})


@dataclass(frozen=True)
class Leaf:
    """One field of a config, or one repeatable list of named parts, as an option."""

    path: tuple[str, ...]
    field: FieldInfo
    parts: bool

    @property
    def dotted(self) -> str:
        """The field's path, as ``--set`` and error messages write it."""
        return ".".join(self.path)

    @property
    def parameter(self) -> str:
        """The path as a Python identifier."""
        return "__".join(self.path)

    @property
    def is_bool(self) -> bool:
        """Whether it is a switch."""
        return self.field.annotation is bool


def leaves(config: type[BaseModel], prefix: tuple[str, ...] = ()) -> list[Leaf]:
    """Every leaf field of a config, depth first."""
    found: list[Leaf] = []
    for name, field in config.model_fields.items():
        path = (*prefix, name)
        annotation = cast(Any, field.annotation)
        if _is_model(annotation):
            found += leaves(annotation, path)
        else:
            found.append(Leaf(path, field, _is_parts(field.annotation)))
    return found


def _is_model(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, BaseModel)


def _is_parts(annotation: Any) -> bool:
    """Whether it is a tuple of configs that have a name, as models and features."""
    inner = [item for item in get_args(annotation) if item is not Ellipsis]
    return (
        get_origin(annotation) in {tuple, list}
        and len(inner) == 1
        and _is_model(inner[0])
        and "name" in inner[0].model_fields
    )


def flags(all_leaves: Iterable[Leaf]) -> dict[str, tuple[str, ...]]:
    """Option names of every leaf: its dotted path, and the last word where nobody else has it.

    A top-level field keeps its own name whatever is nested below; a list of parts is given one
    by one, so its option is singular.
    """
    all_leaves = list(all_leaves)
    top = {_word(leaf) for leaf in all_leaves if len(leaf.path) == 1}
    nested = Counter(_word(leaf) for leaf in all_leaves if len(leaf.path) > 1)
    names: dict[str, tuple[str, ...]] = {}
    for leaf in all_leaves:
        word = _word(leaf)
        alone = len(leaf.path) == 1 or (word not in top and nested[word] == 1)
        short = [f"--{word}"] if alone and word not in RESERVED else []
        long = [f"--{leaf.dotted}"] if len(leaf.path) > 1 or not short else []
        names[leaf.dotted] = (*short, *long)
    return names


def _word(leaf: Leaf) -> str:
    word = leaf.path[-1].replace("_", "-")
    return word.removesuffix("s") if leaf.parts else word


def command(config: type[StudyConfig], run: Callable[..., None], help: str) -> Callable[..., None]:
    """``run`` as a function whose signature holds one option a leaf, for Typer to read.

    ``run`` is called with ``values`` (given options by dotted path) and with its own other
    parameters, which must be keyword-only and annotated for Typer.
    """
    all_leaves = leaves(config)
    names = flags(all_leaves)

    def body(**given: Any) -> None:
        values = {}
        for leaf in all_leaves:
            value = given.pop(leaf.parameter)
            if value is not None and value != []:
                values[leaf.dotted] = [_part(text) for text in value] if leaf.parts else value
        run(values=values, **given)

    own = [
        parameter
        for parameter in inspect.signature(run, eval_str=True).parameters.values()
        if parameter.name != "values"
    ]
    parameters = [_parameter(leaf, names[leaf.dotted]) for leaf in all_leaves] + own
    vars(body)["__signature__"] = inspect.Signature(parameters)
    body.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    body.__doc__ = help
    return body


def _parameter(leaf: Leaf, names: tuple[str, ...]) -> inspect.Parameter:
    annotation: Any = (
        list[str] | None if leaf.parts else bool | None if leaf.is_bool else str | None
    )
    declared = [f"{name}/--no-{name[2:]}" for name in names] if leaf.is_bool else list(names)
    option = typer.Option(
        None,
        *declared,
        help=_help(leaf),
        metavar=None if leaf.is_bool else _metavar(leaf),
        show_default=_default(leaf.field.get_default(call_default_factory=True)),
        rich_help_panel=leaf.path[0].capitalize() if len(leaf.path) > 1 else None,
    )
    return inspect.Parameter(
        leaf.parameter, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=annotation
    )


def _help(leaf: Leaf) -> str:
    text = leaf.field.description or leaf.field.title or leaf.path[-1]
    if leaf.parts:
        text += " Repeat for several; parameters behind a colon, as 'name:key=value,key=value'."
    return text


def _default(value: Any) -> str | bool:
    if value is None or value == "":
        return False
    if isinstance(value, (tuple, list)):
        return ", ".join(_default_part(item) for item in value) or False
    return str(value.value if isinstance(value, Enum) else value).lower()


def _default_part(item: Any) -> str:
    return str(getattr(item, "name", item))


def _metavar(leaf: Leaf) -> str:
    if leaf.parts:
        return "NAME[:KEY=VALUE,…]"
    kinds = [kind for kind in _kinds(leaf.field.annotation) if kind is not type(None)]
    for kind in kinds:
        if inspect.isclass(kind) and issubclass(kind, Enum):
            return "[" + "|".join(str(member.value) for member in kind) + "]"
    words = {int: "INTEGER", float: "NUMBER", str: "TEXT"}
    return words.get(kinds[0], "VALUE") if kinds else "VALUE"


def _kinds(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in {Union, types.UnionType}:
        return get_args(annotation)
    return (annotation,)


def _part(text: str) -> dict[str, Any]:
    """``mlp:hidden=512,dropout=0.2`` as a named part."""
    name, _, rest = text.partition(":")
    params: dict[str, Any] = {}
    for pair in _pairs(rest):
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"'{pair}' in '{text}' is not of the form key=value.")
        params[key.strip()] = _literal(value)
    return {"name": name.strip()} | ({"params": params} if params else {})


def _pairs(text: str) -> list[str]:
    """Split at commas outside brackets, so that a list can be a value."""
    pairs, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0:
            pairs.append(text[start:position])
            start = position + 1
    return [pair for pair in [*pairs, text[start:]] if pair.strip()]


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None if text.strip().lower() in _NULLS else text


def build(
    config: type[StudyConfig],
    *,
    values: Mapping[str, Any],
    file: Path | None = None,
    assignments: Iterable[str] = (),
) -> StudyConfig:
    """A valid config from a file, the options over it, and ``path=value`` assignments over both.

    Raises
    ------
    ConfigError
        One line that names every option that is wrong, and what it may be.
    """
    tree = _read(file) if file is not None else {}
    by_path = {leaf.dotted: leaf for leaf in leaves(config)}
    for dotted, value in values.items():
        optional = type(None) in _kinds(by_path[dotted].field.annotation)
        empty = optional and isinstance(value, str) and value.lower() in _NULLS
        _put(tree, dotted.split("."), None if empty else value)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"--set {assignment}: write it as path=value.")
        _put(tree, path.strip().split("."), _literal(text))
    try:
        return config.model_validate(tree)
    except ValidationError as error:
        names = {dotted: names[0] for dotted, names in flags(by_path.values()).items()}
        faults = dict.fromkeys(_faults(error, (), names))
        raise ConfigError("Unusable options: " + "; ".join(faults) + ".") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {file}: {error.strerror or error}.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"--config {file} is not JSON: {error}.") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"--config {file} holds no JSON object.")
    return tree


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    """Set one value in nested dictionaries; a list of named parts is entered by a part's name."""
    node: Any = tree
    for position, key in enumerate(path[:-1]):
        if isinstance(node, list):
            node = _named(node, key, path)
            rest = path[position + 1 :]
            if rest[0] not in {"name", "params"}:  # models.mlp.hidden means its parameter
                node = node.setdefault("params", {})
            continue
        if not isinstance(node, dict):
            raise ConfigError(f"--set {'.'.join(path)}: '{key}' is not below a group of options.")
        node = node.setdefault(key, {})
    if not isinstance(node, dict):
        raise ConfigError(f"--set {'.'.join(path)}: '{path[-1]}' is not an option there.")
    node[path[-1]] = value


def _named(parts: list[Any], key: str, path: list[str]) -> dict[str, Any]:
    for index, part in enumerate(parts):
        if isinstance(part, dict) and key in {part.get("name"), str(index)}:
            return part
    raise ConfigError(f"--set {'.'.join(path)}: there is no '{key}' among {path[0]}.")


def _faults(
    error: ValidationError, prefix: tuple[str | int, ...], names: Mapping[str, str]
) -> Iterable[str]:
    for fault in error.errors():
        place = (*prefix, *fault["loc"])
        inner = fault.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):  # parameters of a part, checked by its own class
            yield from _faults(inner, place, names)
            continue
        dotted = ".".join(str(word) for word in place)
        name = names.get(dotted) or _nearest(dotted, names)
        reason = fault["msg"].removeprefix("Value error, ")
        given = "" if fault["type"] in {"missing", "value_error"} else f" {fault['input']!r}"
        yield f"{name}{given}: {reason[:1].lower()}{reason[1:]}".rstrip(".")


def _nearest(dotted: str, names: Mapping[str, str]) -> str:
    for path, name in names.items():
        if dotted.startswith(f"{path}."):
            return f"{name} ({dotted.removeprefix(path + '.')})"
    return dotted or "config"
