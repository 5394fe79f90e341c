"""What held-out cells say of a pretrained model, beside what simpler models say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from core.featurizers.rank_value import raw_counts
from core.metrics.rank_model import NearestCells, RankUnigram, Unigram, knn_accuracy, perplexity
from core.models.rank_transformer import RankTransformer, embed_cells
from core.models.rank_transformer.pretraining import make_batch
from core.studies.rank_pretraining.config import FEWEST_LABELLED, RankPretrainingConfig

if TYPE_CHECKING:
    from core.studies.rank_pretraining.run import Prepared

#: Components of the PCA that the cell embedding is held against.
N_PCA = 50


@torch.no_grad()
def judge_perplexity(
    model: RankTransformer,
    train: Sequence[np.ndarray],
    cells: Sequence[np.ndarray],
    data: Prepared,
    config: RankPretrainingConfig,
) -> dict[str, float]:
    """Perplexity of masked genes in whole held-out cells, every model told the same.

    Each chosen gene is shown as the mask at its true position. ``perplexity`` is over all tokens;
    the others rule out the genes that are visible in the cell.
    """
    size, genes = data.vocabulary.size, data.vocabulary.tokens
    models: dict[str, Any] = {
        "unigram": Unigram(train, genes, size),
        "rank_unigram": RankUnigram(train, genes, size),
        "nearest_cells": NearestCells(train, genes, size),
    }
    rng = np.random.default_rng(config.training.seed + 29)
    logs: dict[str, list[np.ndarray]] = {name: [] for name in (*models, "raw", "model")}
    for cell in cells:
        batch = make_batch(
            [cell],
            rng,
            n_genes=None,
            mask_share=config.training.mask_share,
            gene_tokens=genes,
            mask_token=model.config.mask_token_id,
            pad_token=model.config.pad_token_id,
            always_mask=True,
        ).to(model.device)
        hidden = model(batch.tokens, None, batch.positions)
        scores = torch.log_softmax(model.logits(hidden[batch.chosen]).double(), dim=-1)
        answers = batch.answers.cpu().numpy()
        at = np.flatnonzero(batch.chosen[0].cpu().numpy())
        seen_at = np.flatnonzero(~batch.chosen[0].cpu().numpy())
        visible = cell[seen_at]
        logs["raw"].append(scores[torch.arange(len(answers)), batch.answers].cpu().numpy())
        impossible = torch.as_tensor(
            [*visible, model.config.pad_token_id, model.config.mask_token_id], device=model.device
        )
        scores[:, impossible] = -torch.inf
        scores -= scores.logsumexp(dim=-1, keepdim=True)
        logs["model"].append(scores[torch.arange(len(answers)), batch.answers].cpu().numpy())
        for name, baseline in models.items():
            more = {"visible_positions": seen_at} if name == "nearest_cells" else {}
            logs[name].append(baseline.log_probability(visible, at, answers, **more))
    found = {name: perplexity(np.concatenate(values)) for name, values in logs.items()}
    return {
        "perplexity": found["raw"],
        "perplexity_excluding_visible": found["model"],
        "perplexity_unigram": found["unigram"],
        "perplexity_rank_unigram": found["rank_unigram"],
        "perplexity_nearest_cells": found["nearest_cells"],
    }


def judge_labels(
    model: RankTransformer, data: Prepared, config: RankPretrainingConfig
) -> dict[str, float]:
    """Label accuracy of held-out cells by their nearest training cells, beside PCA.

    PCA has 50 components of the log-normalised counts of all genes, fitted on the training cells; both are asked by cosine over the mean-centred vectors.
    """
    if config.label_key is None:
        return {}
    out: dict[str, float] = {}
    for number, source in enumerate(data.sources):
        if config.label_key not in source.obs:
            continue
        labels = source.obs[config.label_key]
        known = labels.notna().to_numpy()
        groups = []
        for indices in (data.train, data.held_out):
            own = [i for i in indices if data.origin[i, 0] == number]
            groups.append([i for i in own if known[data.origin[i, 1]]])
        if min(map(len, groups)) < FEWEST_LABELLED:
            continue
        rows = [data.origin[group, 1] for group in groups]
        named = [labels.to_numpy()[row].astype(str) for row in rows]
        spaces = {
            f"knn_accuracy_layer_{layer}": [
                embed_cells(model, [data.cells[i] for i in group], layer=layer) for group in groups
            ]
            for layer in sorted({model.n_layers, max(model.n_layers - 1, 1)})
        }
        spaces["knn_accuracy_pca"] = _pca(source, rows)
        suffix = "" if not out else f"_{number}"
        for name, (train, test) in spaces.items():
            middle = train.mean(axis=0)
            out[name + suffix] = knn_accuracy(train - middle, named[0], test - middle, named[1])
        out["n_labelled_held_out" + suffix] = len(rows[1])
        common = max(np.mean(named[1] == label) for label in np.unique(named[0]))
        out["accuracy_of_commonest_label" + suffix] = float(common)
    return out


def _pca(source: Any, rows: list[np.ndarray]) -> list[np.ndarray]:
    from sklearn.decomposition import PCA

    counts = raw_counts(source)
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)
    logged = sparse.csr_matrix(sparse.diags(1e4 / totals) @ counts).log1p()
    n = min(N_PCA, min(logged.shape) - 1, len(rows[0]) - 1)
    space = PCA(n, svd_solver="arpack", random_state=0).fit(logged[rows[0]])
    return [space.transform(logged[row]) for row in rows]
