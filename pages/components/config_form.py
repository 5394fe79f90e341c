"""A form made of a pydantic model: its titles, descriptions, bounds and choices.

A new field, featurizer or model appears by itself: nothing here knows their names.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types as at
import streamlit as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from core.errors import ConfigError
from core.registry import Registry
from pages.components.text import plain

_Config = TypeVar("_Config", bound=BaseModel)


def study_form(
    config: type[BaseModel],
    start: BaseModel,
    key: str,
    registries: Mapping[str, Registry[Any]],
    *,
    skip: Iterable[str] = (),
) -> dict[str, Any]:
    """Draw a study's whole form: its registered parts first, then a section for each group.

    Parameters
    ----------
    config
        The study's configuration class.
    start
        A configuration to begin with.
    key
        Prefix of the widgets' keys; a new prefix starts anew.
    registries
        The registry behind each field that holds registered parts.
    skip
        Fields that the page draws by itself.

    Returns
    -------
    dict
        Values by field, nested as the configuration is; what :func:`check` takes.
    """
    values = start.model_dump()
    draft: dict[str, Any] = {}
    inner = {n: f for n, f in config.model_fields.items() if n not in set(skip)}
    for name, registry in registries.items():
        draft[name] = choices(inner.pop(name), registry, values[name], f"{key}.{name}")
    plain_names = [n for n, f in inner.items() if not is_model(f)]
    draft |= fields(config, values, key, only=plain_names)
    for name, field in inner.items():
        if name in plain_names:
            continue
        with st.expander(field.title or name, expanded=False):
            draft[name] = fields(
                _model_of(field),
                values[name],
                f"{key}.{name}",
                columns=3 if len(_model_of(field).model_fields) > 4 else 2,
            )
    return draft


def check(config: type[_Config], draft: Mapping[str, Any]) -> tuple[_Config | None, list[str]]:
    """The configuration that a draft makes, or a sentence for each fault in it."""
    try:
        return config(**draft), []
    except ValidationError as error:
        return None, problems(error, config)
    except ConfigError as error:
        return None, [str(error)]


def fields(
    model: type[BaseModel],
    start: Mapping[str, Any],
    key: str,
    *,
    only: Iterable[str] | None = None,
    columns: int = 2,
) -> dict[str, Any]:
    """Draw the plain fields of ``model`` and return their values as the user left them.

    Parameters
    ----------
    model
        A pydantic model; fields that are models themselves are left to the caller.
    start
        Values to begin with, by field.
    key
        Prefix of the widgets' keys; a new prefix starts anew.
    only
        Names of the fields to draw, in that order; default: all plain fields.
    columns
        Widgets side by side.

    Returns
    -------
    dict
        A value a field; a value that its field refuses is returned too, after saying why under
        its widget.
    """
    names = [n for n, f in model.model_fields.items() if not is_model(f)]
    names = list(only) if only is not None else names
    values: dict[str, Any] = {}
    for at_row in range(0, len(names), columns):
        cells = st.columns(columns, gap="medium")
        for cell, name in zip(cells, names[at_row : at_row + columns], strict=False):
            with cell:
                values[name] = _field(name, model.model_fields[name], start, f"{key}.{name}")
    return values


def choices(
    field: FieldInfo, registry: Registry[Any], start: Iterable[Mapping[str, Any]], key: str
) -> list[dict[str, Any]]:
    """Draw a choice of members of a registry, each with its own parameters in a sub-form.

    Parameters
    ----------
    field
        The field that holds them: its title and description.
    registry
        Where they come from; each ``value.Params`` is a pydantic model.
    start
        Members to begin with: ``{"name": …, "params": {…}}``. The same name may come twice.
    key
        Prefix of the widgets' keys.

    Returns
    -------
    list of dict
        ``{"name": …, "params": {…}}`` of each chosen member; only parameters that differ from
        their defaults are named.
    """
    slots = _slots(start)
    options = list(dict.fromkeys([*registry.names(), *slots]))
    chosen = st.multiselect(
        field.title or "",
        options,
        default=list(slots),
        format_func=lambda slot: _slot_label(slot, registry),
        help=field.description,
        key=key,
        select_all=False,
        wrap=True,
    )
    if not chosen:
        st.caption(f":red[{field.title}: choose at least one.]")
    with st.container(horizontal=True, gap="small"):
        return [_member(slot, registry, slots.get(slot, {}), f"{key}.{slot}") for slot in chosen]


def _member(
    slot: str, registry: Registry[Any], start: Mapping[str, Any], key: str
) -> dict[str, Any]:
    """One chosen member; its parameters open from a button."""
    entry = registry.get(slot.partition("#")[0])
    params_class: type[BaseModel] = entry.value.Params
    if not params_class.model_fields:
        return {"name": entry.name, "params": {}}
    own = defaults(params_class)
    with st.popover(_slot_label(slot, registry), icon=":material/tune:", key=f"{key}-params"):
        st.caption(plain(entry.help))
        values = fields(params_class, own | dict(start), key)
    return {"name": entry.name, "params": differing(values, own)}


def _slots(start: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    slots: dict[str, dict[str, Any]] = {}
    for member in start:
        name, count = str(member["name"]), 1
        while (slot := name if count == 1 else f"{name}#{count}") in slots:
            count += 1
        slots[slot] = dict(member.get("params") or {})
    return slots


def _slot_label(slot: str, registry: Registry[Any]) -> str:
    name, _, number = slot.partition("#")
    return registry.get(name).label + (f" ({number})" if number else "")


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Default of each field that has one."""
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in model.model_fields.items()
        if not field.is_required()
    }


def differing(values: Mapping[str, Any], start: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not what ``start`` says."""
    return {n: v for n, v in values.items() if n not in start or _plain(v) != _plain(start[n])}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple | set | frozenset) else value


def problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence a fault, with the title of the field it is in."""
    return list(_problems(error, model, ""))


def _problems(error: ValidationError, model: type[BaseModel] | None, before: str) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        place = " › ".join(part for part in (before, _title(model, fault["loc"])) if part)
        inner = fault.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):  # a member's parameters, checked by its own class
            yield from _problems(inner, None, place)
        else:
            yield sentence(place, str(fault["msg"]))


def sentence(title: str, message: str) -> str:
    """``"Learning rate: must be greater than 0."`` from a title and pydantic's words."""
    words = message.removeprefix("Value error, ").strip().rstrip(".")
    words = words.replace("Input should be", "must be", 1)
    return f"{title}: {words}." if title else f"{words[:1].upper()}{words[1:]}."


def _title(model: type[BaseModel] | None, loc: tuple[int | str, ...]) -> str:
    """Titles along the way to a fault: ``"Training › Learning rate"``."""
    titles: list[str] = []
    current: Any = model
    for part in loc:
        if isinstance(part, int):
            titles.append(str(part + 1))
            continue
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            titles.append(str(part).replace("_", " "))
            continue
        titles.append(field.title or str(part).replace("_", " "))
        inner = [t for t in _parts(field.annotation) if isinstance(t, type)]
        current = next((t for t in inner if issubclass(t, BaseModel)), None)
    return " › ".join(titles)


def is_model(field: FieldInfo) -> bool:
    """Whether a field holds models of its own (nested groups, members of a registry)."""
    return any(isinstance(t, type) and issubclass(t, BaseModel) for t in _parts(field.annotation))


def _model_of(field: FieldInfo) -> type[BaseModel]:
    inner = (t for t in _parts(field.annotation) if isinstance(t, type))
    return next(t for t in inner if issubclass(t, BaseModel))


def _parts(annotation: Any) -> list[Any]:
    """An annotation and everything inside it."""
    parts = [annotation]
    for inner in get_args(annotation):
        parts += _parts(inner)
    return parts


def _field(name: str, field: FieldInfo, start: Mapping[str, Any], key: str) -> Any:
    title = field.title or name.replace("_", " ").capitalize()
    value = start.get(name, field.get_default(call_default_factory=True))
    value = _widget(field, title, value, key)
    kind: Any = field.annotation
    for limit in field.metadata:
        kind = Annotated[kind, limit]
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        message = str(error.errors(include_url=False)[0]["msg"])
        st.caption(f":red[{plain(sentence(title, message))}]")
    return value


def _widget(field: FieldInfo, title: str, value: Any, key: str) -> Any:
    kinds = [t for t in _union(field.annotation) if t is not type(None)]
    optional = len(kinds) < len(_union(field.annotation))
    kind = kinds[0] if len(kinds) == 1 else None
    common: dict[str, Any] = {"help": field.description, "key": key}
    options = _options(kind)
    if options is not None:
        current = _plain(value)
        every = [None, *options] if optional else options
        index = every.index(current) if current in every else 0
        return st.selectbox(
            title,
            every,
            index=index,
            format_func=lambda o: "none" if o is None else str(o),
            **common,
        )
    if get_origin(kind) in (tuple, list, set, frozenset):
        return _several(kind, title, value, common)
    if kind is bool:
        return st.toggle(title, value=bool(value), **common)
    if kind in (int, float) or set(kinds) == {int, float}:
        return _number(field, int if kind is int else float, title, value, common)
    if kind is str:
        longest = next((m.max_length for m in field.metadata if isinstance(m, at.MaxLen)), None)
        return st.text_input(
            title, value="" if value is None else str(value), max_chars=longest, **common
        ) or (None if optional else "")
    text = st.text_input(title, value=json.dumps(_plain(value)), **common)
    return _json(text)


def _union(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return list(get_args(annotation))
    return [annotation]


def _options(kind: Any) -> list[Any] | None:
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [member.value for member in kind]
    return None


def _several(kind: Any, title: str, value: Any, common: dict[str, Any]) -> Any:
    """Several choices as a multiselect; several numbers or words as a list with commas."""
    inner = next((t for t in get_args(kind) if t is not Ellipsis), str)
    options = _options(inner)
    values = [_plain(v) for v in value or ()]
    if options is not None:
        return st.multiselect(title, options, default=values, **common)
    text = st.text_input(title, value=", ".join(map(str, values)), **common)
    return [part.strip() for part in text.split(",") if part.strip()]


def _number(
    field: FieldInfo, kind: type, title: str, value: Any, common: dict[str, Any]
) -> int | float | None:
    low = next((m.ge for m in field.metadata if isinstance(m, at.Ge)), None)
    high = next((m.le for m in field.metadata if isinstance(m, at.Le)), None)
    number = kind(value) if value is not None else None
    limits: dict[str, Any] = {
        "min_value": None if low is None else kind(low),
        "max_value": None if high is None else kind(high),
        "value": number,
        "placeholder": "none",
    }
    if kind is float:
        limits |= {"format": "%g", "step": _step(number)}
    return st.number_input(title, **limits, **common)


def _step(value: float | None) -> float:
    """A tenth of the value's own size, so that the arrows suit 0.0001 and 10 alike."""
    if not value:
        return 0.1
    return float(f"1e{int(f'{abs(value):e}'.split('e')[1])}")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
