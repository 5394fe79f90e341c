"""The form generator, on models made for the test."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from pages.components.config_form import sentence
from pages.components.run_labels import duration


def _toy() -> None:
    from enum import StrEnum
    from types import SimpleNamespace
    from typing import Any, Literal

    import streamlit as st
    from pydantic import BaseModel, Field

    from core.registry import Registry
    from pages.components.config_form import check, study_form

    class Colour(StrEnum):
        RED = "red"
        BLUE = "blue"

    class Inner(BaseModel):
        rate: float = Field(0.001, gt=0, le=1, title="Learning rate", description="Step.")
        rank: int | None = Field(None, ge=1, le=64, title="Rank", description="Empty: all.")

    class Part(BaseModel):
        name: str = "a"
        params: dict[str, Any] = {}

    class Study(BaseModel):
        name: str = Field("", max_length=5, title="Name")
        colour: Colour = Field(Colour.RED, title="Colour")
        kind: Literal["x", "y"] = Field("x", title="Kind")
        on: bool = Field(True, title="On")
        sizes: tuple[int, ...] = Field((8, 4), title="Sizes")
        parts: tuple[Part, ...] = Field((), min_length=1, title="Parts")
        inner: Inner = Field(Inner(), title="Inner")

    class Params(BaseModel):
        width: int = Field(16, ge=1, title="Width")

    parts: Registry[Any] = Registry("part")
    parts.add("a", SimpleNamespace(Params=Params), label="Part A", help="First.")
    parts.add("b", SimpleNamespace(Params=BaseModel), label="Part B", help="No parameters.")

    start = Study(parts=(Part(name="a", params={"width": 32}),))
    draft = study_form(Study, start, "form", {"parts": parts})
    config, faults = check(Study, draft)
    st.session_state["out"] = (None if config is None else config.model_dump(), faults)


def run() -> AppTest:
    app = AppTest.from_function(_toy).run()
    assert not app.exception
    return app


def test_untouched_form_gives_the_start() -> None:
    config, faults = run().session_state["out"]
    assert faults == []
    assert config["parts"] == ({"name": "a", "params": {"width": 32}},)
    assert config["inner"] == {"rate": 0.001, "rank": None}
    assert (config["colour"], config["kind"], config["on"]) == ("red", "x", True)
    assert config["sizes"] == (8, 4)


def test_widgets_follow_the_field_types() -> None:
    app = run()
    assert app.selectbox(key="form.colour").options == ["red", "blue"]
    assert app.selectbox(key="form.kind").options == ["x", "y"]
    assert app.number_input(key="form.inner.rate").max == 1
    assert app.number_input(key="form.inner.rank").value is None
    assert app.toggle(key="form.on").label == "On"


def test_values_reach_the_configuration() -> None:
    app = run()
    app.selectbox(key="form.colour").select("blue")
    app.number_input(key="form.inner.rank").set_value(7)
    app.text_input(key="form.sizes").set_value("5, 6,7")
    app.multiselect(key="form.parts").set_value(["b", "a"]).run()
    config, faults = app.session_state["out"]
    assert faults == []
    assert (config["colour"], config["inner"]["rank"], config["sizes"]) == ("blue", 7, (5, 6, 7))
    assert [part["name"] for part in config["parts"]] == ["b", "a"]


def test_only_changed_parameters_are_named() -> None:
    app = run()
    app.number_input(key="form.parts.a.width").set_value(16).run()
    config, _ = app.session_state["out"]
    assert config["parts"] == ({"name": "a", "params": {}},)


def test_a_fault_is_told_in_one_sentence_beside_its_field_and_at_the_end() -> None:
    app = run()
    app.number_input(key="form.inner.rate").set_value(-0.5).run()
    config, faults = app.session_state["out"]
    assert config is None
    assert faults == ["Inner › Learning rate: must be greater than 0."]
    assert any("Learning rate" in caption.value for caption in app.caption)


def test_an_empty_choice_is_a_fault() -> None:
    app = run()
    app.multiselect(key="form.parts").set_value([]).run()
    config, faults = app.session_state["out"]
    assert config is None
    assert len(faults) == 1
    assert faults[0].startswith("Parts: ")


def test_words_in_a_list_of_numbers_are_a_fault() -> None:
    app = run()
    app.text_input(key="form.sizes").set_value("5, many").run()
    config, faults = app.session_state["out"]
    assert config is None
    assert faults[0].startswith("Sizes › 2: ")


def test_sentences() -> None:
    assert sentence("Rate", "Input should be greater than 0") == "Rate: must be greater than 0."
    assert sentence("", "Value error, each once") == "Each once."


def test_durations() -> None:
    assert [duration(s) for s in (None, 0.4, 65, 3725)] == ["", "0 s", "1 min 05 s", "1 h 02 min"]
