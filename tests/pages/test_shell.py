from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import __version__
from core.data import remove
from core.settings import PROJECT_ROOT, Settings
from pages._cells_open import EXAMPLE
from pages.components.text import plain
from tests.pages.small import TABLE, fake_run, open_page, small_table, words, workplace

PAGES = sorted(p.stem for p in (PROJECT_ROOT / "pages").glob("[a-z]*.py"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with workplace(tmp_path_factory.mktemp("shell")) as settings:
        small_table(settings)
        yield settings


def sidebar(app: AppTest) -> str:
    return " ".join(str(e.value) for e in app.sidebar.caption).replace("\\", "")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_with_the_sidebar(page: str, settings: Settings) -> None:
    app = open_page(page)
    assert not app.error, [e.value for e in app.error]
    assert app.title
    text = sidebar(app)
    # The cell explorer prepares its example where no cells are ready, and names it.
    assert (EXAMPLE if page == "cells" else TABLE) in text
    if page == "cells":
        remove(EXAMPLE, settings)
    assert settings.workspace.name in text
    assert f"PerturbScope {__version__}" in text
    assert "No run in progress" in text


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_in_an_empty_workspace(page: str, tmp_path: Path) -> None:
    with workplace(tmp_path / "new"):
        app = open_page(page)
        assert not app.error, [e.value for e in app.error]


def test_sidebar_names_runs_in_progress(tmp_path: Path) -> None:
    with workplace(tmp_path) as settings:
        fake_run(settings, "my *first* run", state="queued")
        app = open_page("home")
        assert "1 in progress" in sidebar(app)


def test_home_counts_the_workspace(settings: Settings) -> None:
    app = open_page("home")
    values = {metric.label: metric.value for metric in app.metric}
    assert values["Perturbation tables ready"] == "1"
    assert values["Cell data sets ready"] == "0"
    assert values["Runs kept"] == "0"


def test_home_says_where_to_begin(tmp_path: Path) -> None:
    with workplace(tmp_path):
        assert "Begin on the Data sets page" in words(open_page("home"))


def test_a_page_opened_without_the_frame_gets_it(settings: Settings) -> None:
    """What Streamlit does with a bookmark right after the server started."""
    app = AppTest.from_file(str(PROJECT_ROOT / "pages" / "home.py"), default_timeout=60).run()
    assert not app.exception
    assert f"PerturbScope {__version__}" in sidebar(app)


def broken() -> None:
    import streamlit as st

    from core.errors import DataError
    from pages.components.guard import guard

    with guard():
        raise DataError("The column '<b>x</b>' of [file](http://evil) is *missing*.")
    with guard():
        raise ZeroDivisionError("secret detail")
    st.write("the rest")


def test_guard_shows_a_sentence_and_logs_bugs(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        app = AppTest.from_function(broken).run()
    assert not app.exception
    first, second = (e.value for e in app.error)
    assert first.replace("\\", "") == ("The column '<b>x</b>' of [file](http://evil) is *missing*.")
    assert "\\<b\\>" in first
    assert "secret" not in second
    assert "server's log" in second
    assert "secret detail" in caplog.text
    assert app.markdown[0].value == "the rest"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<img>", "\\<img\\>"),
        ("[a](b)", "\\[a\\]\\(b\\)"),
        ("$x$", "\\$x\\$"),
        (":red[x]", "\\:red\\[x\\]"),
        ("a\n\n# b", "a \\# b"),
        ("T cells", "T cells"),
    ],
)
def test_plain(text: str, escaped: str) -> None:
    assert plain(text) == escaped
