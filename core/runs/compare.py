"""Runs beside each other: what was different, and what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from core.runs.store import RunRecord

_LABEL_KEYS = frozenset({"name"})
_CELL_TYPE_METRICS = frozenset({"mrrmse", "pearson", "cosine"})


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """A nested configuration as dotted keys.

    A list of named parts (``models: [{name: mlp, params: {…}}]``) becomes the list of names
    (``models = "mlp, ridge"``) and the parts' own parameters (``models.mlp.hidden``); the second
    part of one name is ``mlp#2``. Other lists are joined by commas.
    """
    flat: dict[str, Any] = {}
    _flatten("", config, flat)
    return flat


def _flatten(prefix: str, value: Any, flat: dict[str, Any]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}" if prefix else str(key), inner, flat)
    elif isinstance(value, (list, tuple)):
        if value and all(isinstance(item, Mapping) and "name" in item for item in value):
            flat[prefix] = ", ".join(str(item["name"]) for item in value)
            seen: Counter[str] = Counter()
            for item in value:
                name = str(item["name"])
                seen[name] += 1
                label = name if seen[name] == 1 else f"{name}#{seen[name]}"
                for key, inner in item.items():
                    if key == "params" and isinstance(inner, Mapping):
                        _flatten(f"{prefix}.{label}", inner, flat)
                    elif key != "name":
                        _flatten(f"{prefix}.{label}.{key}", inner, flat)
        elif any(isinstance(item, (Mapping, list, tuple)) for item in value):
            for index, item in enumerate(value):
                _flatten(f"{prefix}.{index}", item, flat)
        else:
            flat[prefix] = ", ".join(str(item) for item in value)
    else:
        flat[prefix] = value


def differing_parameters(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Only the parameters in which runs differ.

    Returns
    -------
    pandas.DataFrame
        One row a run (index: run id, in the order given), one column a parameter by its dotted
        path; None where a run has no such parameter. The run's name is a label, not a parameter.
        Empty columns for fewer than two runs.
    """
    import pandas as pd

    flats = [flatten(record.config) for record in records]
    keys = list(dict.fromkeys(key for flat in flats for key in flat))
    differing = [
        key
        for key in keys
        if key not in _LABEL_KEYS and len({repr(flat.get(key)) for flat in flats}) > 1
    ]
    rows = {
        record.id: [flat.get(key) for key in differing]
        for record, flat in zip(records, flats, strict=True)
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=differing, dtype=object)
    return frame.rename_axis("run")


def metric_table(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Summary metrics of runs.

    Returns
    -------
    pandas.DataFrame
        Index: run id, in the order given; one float column a metric, NaN where a run has none
        (unfinished, or another study).
    """
    import pandas as pd

    keys = list(dict.fromkeys(key for record in records for key in record.metrics))
    rows = {record.id: [record.metrics.get(key) for key in keys] for record in records}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=keys, dtype="float64")
    return frame.rename_axis("run")


def curve_summary(history: pd.DataFrame) -> pd.DataFrame:
    """Best epoch and overfitting of every trained curve.

    Parameters
    ----------
    history
        As :func:`core.runs.history` returns it: one row an epoch of a model and fold.

    Returns
    -------
    pandas.DataFrame
        One row a (``model``, ``fold``): ``epochs`` (trained), ``best_epoch`` (lowest validation
        MRRMSE; lowest validation loss where that was not measured), ``best_val_mrrmse``,
        ``train_loss`` and ``val_loss`` at the best epoch, ``gap`` (their difference, validation −
        training, in the loss's unit), ``rise`` (what the epochs after the best cost: last − best
        of the deciding column) and ``seconds`` (sum). A fit without validation rows (fold
        ``"final"``) has its last epoch as ``best_epoch`` and NaN for what needs validation.
    """
    import pandas as pd

    rows = []
    for (model, fold), curve in history.groupby(["model", "fold"], sort=False, observed=True):
        curve = curve.sort_values("epoch", ignore_index=True)
        column = "val_mrrmse" if curve["val_mrrmse"].notna().any() else "val_loss"
        judged = curve[curve[column].notna()]
        last = curve.iloc[-1]
        best = last if judged.empty else judged.iloc[int(judged[column].argmin())]
        rows.append(
            {
                "model": model,
                "fold": fold,
                "epochs": len(curve),
                "best_epoch": int(best["epoch"]),
                "best_val_mrrmse": best["val_mrrmse"],
                "train_loss": best["train_loss"],
                "val_loss": best["val_loss"],
                "gap": best["val_loss"] - best["train_loss"],
                "rise": float("nan") if judged.empty else judged[column].iloc[-1] - best[column],
                "seconds": curve["seconds"].sum(),
            }
        )
    columns = ["model", "fold", "epochs", "best_epoch", "best_val_mrrmse"]
    columns += ["train_loss", "val_loss", "gap", "rise", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def cell_type_metrics(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Metrics of one cell type each, as tidy rows.

    Reads the summary's keys ``[model/][test/[split/]]metric/cell type``.

    Returns
    -------
    pandas.DataFrame
        ``run`` (id), ``name`` (of the run), ``model`` (empty: the one that the run stands for),
        ``split`` (``"validation"``: out of fold; ``"test"``, or one of its splits), ``metric``,
        ``cell_type``, ``value``.
    """
    import pandas as pd

    rows = [
        (record.id, record.name, *place, value)
        for record in records
        for key, value in record.metrics.items()
        if (place := _cell_type_place(key)) is not None
    ]
    columns = ["run", "name", "model", "split", "metric", "cell_type", "value"]
    return pd.DataFrame(rows, columns=columns)


def _cell_type_place(key: str) -> tuple[str, str, str, str] | None:
    """Model, split, metric and cell type of a summary key; None where it is of all cell types."""
    parts = key.split("/")
    for position, part in enumerate(parts[:-1]):
        if part in _CELL_TYPE_METRICS:
            place, cell_type = parts[:position], "/".join(parts[position + 1 :])
            split = "validation"
            if "test" in place:
                at = place.index("test")
                split, place = place[-1], place[:at]
            return "/".join(place), split, part, cell_type
    return None
