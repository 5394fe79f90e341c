"""A small workspace for page tests: one simulated table, and run folders as a worker leaves them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.data import save_perturbation
from core.data.simulation.op2 import simulate_op2
from core.runs import store
from core.settings import PREFIX, PROJECT_ROOT, Settings, get_settings, load_settings
from core.studies.perturbation.config import PerturbationConfig

TABLE = "small"


def small_table(settings: Settings, n_genes: int = 60) -> None:
    """The competition's pairs with few genes, simulated, as the data set ``small``."""
    table = simulate_op2(n_genes=n_genes)
    save_perturbation(dataclasses.replace(table, id=TABLE), settings, label="Small table")


def fake_run(
    settings: Settings,
    name: str,
    state: str = "finished",
    *,
    epochs: int = 6,
    best: int = 4,
    metrics: dict[str, float] | None = None,
    status: dict[str, Any] | None = None,
    **config: Any,
) -> str:
    """A run folder in ``state`` with V-shaped validation curves of three folds."""
    values = {"name": name, "dataset": TABLE, **config}
    folder = store.create("perturbation", PerturbationConfig(**values), settings)
    with (folder / store.HISTORY).open("w") as file:
        for fold in ("0", "1", "2"):
            for epoch in range(1, epochs + 1):
                score = 0.8 + 0.05 * abs(epoch - best)
                record = {
                    "model": "mlp",
                    "fold": fold,
                    "epoch": epoch,
                    "train_loss": 1.0 / epoch,
                    "val_loss": score,
                    "val_mrrmse": score,
                    "learning_rate": 1e-3,
                    "seconds": 0.1,
                }
                file.write(json.dumps(record) + "\n")
    if metrics:
        store.write_json(folder / store.METRICS, metrics)
    moment = store.now()
    ended = {} if state in store.ACTIVE else {"ended": moment}
    store.update(folder, state=state, started=moment, simulated=True, **ended, **(status or {}))
    return folder.name


@contextmanager
def workplace(folder: Path) -> Iterator[Settings]:
    """Settings of a workspace in ``folder``, in force for everything that asks."""
    patch = pytest.MonkeyPatch()
    patch.setenv(PREFIX + "WORKSPACE", str(folder))
    patch.setenv(PREFIX + "DEVICE", "cpu")
    get_settings.cache_clear()
    yield load_settings()
    patch.undo()
    get_settings.cache_clear()


def open_page(page: str, **query: str) -> AppTest:
    """The app at one of its pages, with URL parameters; the table ``small`` is the data set."""
    query = {"dataset": TABLE} | query
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60)
    app.switch_page(f"pages/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [e.value for e in app.exception]
    return app


def words(app: AppTest) -> str:
    """Everything that the page says, without the escapes of Markdown."""
    kinds = ("markdown", "caption", "info", "warning", "error", "success")
    return " ".join(str(e.value) for kind in kinds for e in app.get(kind)).replace("\\", "")
