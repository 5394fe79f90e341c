"""Everything that a knock-out study needs before the first forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.data import get_dataset, load_cells
from core.errors import ConfigError, DataError
from core.featurizers.rank_value import RankEncoded, encode
from core.models.rank_transformer import fingerprint
from core.models.rank_transformer.demonstration import LoadedModel
from core.models.rank_transformer.knockout import BF16_WARNING
from core.settings import Settings
from core.studies.knockouts.choosing import Knock, choose_cells, require_some
from core.studies.knockouts.computing import check_fits
from core.studies.knockouts.config import KnockoutsConfig
from core.studies.knockouts.models import open_model

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Ready:
    """Model, ranked cells, chosen rows, and the knock-outs of each."""

    config: KnockoutsConfig
    loaded: LoadedModel
    encoded: RankEncoded
    rows: np.ndarray
    knocks: tuple[tuple[Knock, ...], ...]
    goal_rows: np.ndarray | None
    cells: pd.DataFrame
    genes: tuple[np.ndarray, ...]
    facts: dict[str, Any]


def make_ready(
    config: KnockoutsConfig,
    settings: Settings,
    *,
    loaded: LoadedModel | None = None,
    encoded: RankEncoded | None = None,
    obs: pd.DataFrame | None = None,
) -> Ready:
    """Load, rank and choose; all that can be refused is refused here.

    Parameters
    ----------
    loaded, encoded, obs
        From before, where a page has them; else they are made.

    Raises
    ------
    ConfigError, DataError, RunError
        Where the data, the model or the choice of cells and genes cannot be used.
    """
    if not config.dataset:
        raise ConfigError("Name a data set of cells.")
    if loaded is None:
        loaded = open_model(config.model, settings)
    if encoded is None or obs is None:
        cells = load_cells(config.dataset, settings)
        encoded = rank(cells, loaded)
        obs = cells.obs
    rows = choose_cells(encoded, obs, config.cells)
    per_cell = require_some(encoded, rows, config)
    rows = np.array([row for row in rows if per_cell[int(row)]], dtype=np.int64)
    check_fits(loaded.model, encoded.cell(int(rows[0])))
    goal_rows = None
    if config.goal.asked:
        goal_rows = choose_cells(encoded, obs, config.goal)
        if len(np.setdiff1d(rows, goal_rows)) == 0:
            raise DataError("All chosen cells are in the goal state already; choose another group.")
    frame = pd.DataFrame(
        {
            "cell": encoded.names[rows],
            "row": rows,
            "n_genes": encoded.lengths[rows],
        }
    )
    if config.cells.group_key is not None:
        frame["group"] = obs[config.cells.group_key].astype(str).to_numpy()[rows]
    return Ready(
        config,
        loaded,
        encoded,
        rows,
        tuple(tuple(per_cell[int(row)]) for row in rows),
        goal_rows,
        frame,
        tuple(encoded.genes(int(row)) for row in rows),
        _facts(config, settings, loaded, encoded),
    )


def rank(cells: AnnData, loaded: LoadedModel) -> RankEncoded:
    """The cells as a model's ranked tokens."""
    return encode(cells, loaded.vocabulary, max_length=loaded.model.config.max_position_embeddings)


def _facts(
    config: KnockoutsConfig, settings: Settings, loaded: LoadedModel, encoded: RankEncoded
) -> dict[str, Any]:
    status = get_dataset(config.dataset, settings)
    shape = loaded.model.config
    return {
        "dataset": config.dataset,
        "label": status.label,
        "simulated": bool(status.simulated),
        "data_hash": status.content_hash or "",
        "card": loaded.card,
        "demonstration": loaded.demonstration,
        "fingerprint": fingerprint(loaded.model),
        "shape": {
            "layers": shape.num_hidden_layers,
            "width": shape.hidden_size,
            "heads": shape.num_attention_heads,
            "length": shape.max_position_embeddings,
            "vocabulary": len(loaded.vocabulary),
            "parameters": sum(p.numel() for p in loaded.model.parameters()),
        },
        "coverage": encoded.report.sentences(),
        "matched": encoded.report.n_matched / max(encoded.report.n_genes, 1),
        "counts_unknown": encoded.report.counts_unknown,
        "warnings": [BF16_WARNING] if config.precision == "bfloat16" else [],
    }
