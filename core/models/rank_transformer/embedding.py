"""Embeddings of whole cells: the mean over their genes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from core.models.rank_transformer.network import RankTransformer, resolve_layer
from core.progress import OnProgress, silent


def embed_cells(
    model: RankTransformer,
    cells: Sequence[np.ndarray],
    *,
    layer: int | None = None,
    on_progress: OnProgress = silent,
) -> np.ndarray:
    """Mean-pooled gene embeddings of ranked cells.

    Parameters
    ----------
    cells
        Tokens of each cell, from the highest rank down.
    layer
        Read after this layer; default: the last one.

    Returns
    -------
    numpy.ndarray
        float64 ``(n, d)``: forward in float32, mean in float64.

    Raises
    ------
    ConfigError
        If a cell is longer than the model takes, or there is no such layer.
    """
    depth = resolve_layer(model, layer)
    model.eval()
    out = np.zeros((len(cells), model.config.hidden_size))
    with torch.inference_mode():
        for index, cell in enumerate(cells):
            tokens = torch.as_tensor(np.asarray(cell, dtype=np.int64), device=model.device)
            state = model(tokens[None], layer=depth)[0]
            out[index] = state.cpu().double().mean(dim=0).numpy()
            on_progress(index + 1, len(cells), "Embedding cells")
    return out
