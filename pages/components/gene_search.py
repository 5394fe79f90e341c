"""A search box that knows thousands of genes without sending them to the browser.

A select box with 18,000 options costs a second in the browser. Here what is typed goes to the
server, which answers with the best few matches; the box is a fragment of its own, so that typing
redraws nothing else.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

#: Matches that are offered.
MOST = 12
_HTML = """
<label class="label"></label>
<input type="text" autocomplete="off" spellcheck="false" role="combobox" aria-expanded="false"
  aria-autocomplete="list" maxlength="120">
<ul role="listbox" hidden></ul>
"""
_CSS = """
:host, .root { position: relative; }
.label { display: block; font-size: .875rem; color: var(--st-text-color); margin-bottom: .25rem; }
input {
  box-sizing: border-box; width: 100%; height: 2.5rem; padding: 0 .75rem; font: inherit;
  color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); outline: none;
}
input:focus { border-color: var(--st-primary-color); }
ul {
  position: absolute; left: 0; right: 0; top: 100%; z-index: 1000000;
  list-style: none; margin: .25rem 0 0; padding: .25rem 0; max-height: 16rem; overflow-y: auto;
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius); box-shadow: 0 4px 12px rgba(0, 0, 0, .12);
}
li { padding: .3rem .75rem; cursor: pointer; color: var(--st-text-color); font-size: .9rem; }
li.none { cursor: default; opacity: .7; }
li[aria-selected="true"], li:not(.none):hover { background: var(--st-secondary-background-color); }
"""
_JS = """
export default function (component) {
  const { parentElement, data, setTriggerValue } = component;
  const label = parentElement.querySelector('.label');
  const input = parentElement.querySelector('input');
  const list = parentElement.querySelector('ul');
  label.textContent = data.label;
  input.setAttribute('aria-label', data.label);
  input.placeholder = data.placeholder || '';
  const state = (input.searchState ||= { chosen: undefined, at: 0, open: false });
  if (state.chosen !== data.value) {
    state.chosen = data.value;
    input.value = data.value || '';
    state.open = false;
  }
  const items = () => [...list.querySelectorAll('li:not(.none)')];
  const mark = () => items().forEach((li, i) => {
    li.setAttribute('aria-selected', String(i === state.at));
    if (i === state.at) li.scrollIntoView({ block: 'nearest' });
  });
  const close = () => {
    state.open = false; list.hidden = true; input.setAttribute('aria-expanded', 'false');
  };
  const choose = (name) => {
    close();
    input.value = name;
    if (name !== state.chosen) { state.chosen = name; setTriggerValue('choice', name); }
    input.blur();
  };
  const show = () => {
    list.replaceChildren();
    data.found.forEach((name) => {
      const li = document.createElement('li');
      li.setAttribute('role', 'option');
      li.textContent = name;
      li.onmousedown = (event) => { event.preventDefault(); choose(name); };
      list.append(li);
    });
    if (!data.found.length || data.more) {
      const li = document.createElement('li');
      li.className = 'none';
      li.textContent = data.found.length ? `${data.more} more: type on` : 'no match';
      list.append(li);
    }
    list.hidden = !state.open;
    input.setAttribute('aria-expanded', String(state.open));
    mark();
  };
  if (state.open && data.query === input.value.trim()) { state.at = 0; show(); }
  else if (!state.open) close();
  input.oninput = () => {
    state.open = true;
    clearTimeout(state.wait);
    state.wait = setTimeout(() => setTriggerValue('query', input.value.trim()), 120);
  };
  input.onfocus = () => input.select();
  input.onblur = () => {
    close();
    if (input.value !== state.chosen) input.value = state.chosen || '';
  };
  input.onkeydown = (event) => {
    if (event.key === 'Escape') { input.value = state.chosen || ''; close(); }
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const n = items().length;
      if (n) { state.at = (state.at + (event.key === 'ArrowDown' ? 1 : n - 1)) % n; mark(); }
    } else if (event.key === 'Enter') {
      event.preventDefault();
      clearTimeout(state.wait);
      const li = items()[state.at];
      if (!list.hidden && li && data.query === input.value.trim()) choose(li.textContent);
      else setTriggerValue('enter', input.value.trim());
    }
  };
}
"""


@st.cache_resource
def _component() -> Any:
    return st.components.v2.component("perturbscope_gene_search", html=_HTML, css=_CSS, js=_JS)


class Names:
    """Names made ready for search: those equal first, then beginnings, then parts."""

    def __init__(self, names: Iterable[object]) -> None:
        self.names = [str(name) for name in names]
        self._order = sorted(range(len(self.names)), key=lambda i: self.names[i].casefold())
        self._folded = [self.names[i].casefold() for i in self._order]
        self._known = dict(zip(self._folded, self._order, strict=True))
        self._exact = set(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._exact

    def exact(self, text: str) -> str | None:
        """The name that ``text`` means, whatever its case."""
        text = text.strip()
        if text in self._exact:
            return text
        at = self._known.get(text.casefold())
        return None if at is None else self.names[at]

    def search(self, text: str, most: int = MOST) -> tuple[list[str], int]:
        """The best ``most`` matches, and how many more there are."""
        folded = text.strip().casefold()
        start = bisect.bisect_left(self._folded, folded)
        end = bisect.bisect_left(self._folded, folded + "\U0010ffff")
        found = list(self._order[start:end])
        found.sort(key=lambda i: (len(self.names[i]), self.names[i]))
        inner: list[int] = []
        if len(found) < most and len(folded) > 1:
            begins = set(found)
            inner = [
                i
                for word, i in zip(self._folded, self._order, strict=True)
                if folded in word and i not in begins
            ]
        every = found + inner
        return [self.names[i] for i in every[:most]], max(len(every) - most, 0)


@st.cache_resource(max_entries=16, show_spinner=False)
def _names(token: str, _make: Callable[[], Iterable[object]]) -> Names:
    return Names(_make())


def names(token: str, make: Callable[[], Iterable[object]]) -> Names:
    """Searchable names, made once for each ``token`` (a content hash, for example)."""
    return _names(token, make)


@st.fragment
def search_box(
    label: str,
    known: Names,
    *,
    key: str,
    value: str | None,
    on_choose: Callable[[str], None],
    placeholder: str = "Type a few letters",
) -> None:
    """Draw the box; a new choice calls ``on_choose(name)`` and runs the page again.

    Parameters
    ----------
    known
        What can be chosen.
    key
        Unique on the page.
    value
        What is chosen now.
    on_choose
        Keeps the choice, in the session and the URL.
    """
    session = f"{key}-query"
    query = str(st.session_state.get(session) or "")
    found, more = known.search(query) if query else ([], 0)
    result = _component()(
        key=key,
        data={
            "label": label,
            "value": value,
            "query": query,
            "found": found,
            "more": more,
            "placeholder": placeholder,
        },
        on_query_change=lambda: st.session_state.update(
            {session: str(st.session_state[key].query or "")[:120]}
        ),
        on_choice_change=lambda: None,
        on_enter_change=lambda: None,
    )
    chosen = result.choice
    if chosen is None and result.enter:
        chosen = known.exact(str(result.enter)) or next(
            iter(known.search(str(result.enter))[0]), None
        )
    if chosen is not None and chosen in known and chosen != value:
        st.session_state.pop(session, None)
        on_choose(str(chosen))
        st.rerun()
