"""The rank artefact of in-silico deletion on real cells: where, how large, and what avoids it.

    python -m benchmarks.knockout_artefact [--cells 5] [--scan 100] [--models demo start v1]

Answers discussion #337 of the Geneformer hub on deep cells of ``pbmc_3chemistries.h5ad``. Models:
``demo``, the demonstration checkpoint; ``start``, the same shape before training (SVD of genes,
sinusoidal positions); ``v1``, Geneformer V1's shape and vocabulary with BERT's random weights. A
folder instead of a name is a user's Geneformer V1 checkpoint.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch

from core.featurizers.rank_value import Vocabulary, encode
from core.metrics.knockout import agreement, over_cells, positional_share, read_outs, spearman
from core.models.rank_transformer import Mode, RankTransformer, RankTransformerConfig, knock_out
from core.models.rank_transformer.demonstration import load_demonstration, load_model
from core.models.rank_transformer.pretraining import gene_vectors, start_at
from core.models.rank_transformer.scan import scan_ranks

RANKS = [100, 500, 1000, 1500, 1900]
MODES = [Mode.DELETE, Mode.SHIFT_ONLY, Mode.PAIRED, Mode.ATTENTION_MASK, Mode.MASK_TOKEN]
SHARED = Path(os.environ.get("PERTURBSCOPE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def load(name: str, cells: anndata.AnnData) -> tuple[RankTransformer, Vocabulary]:
    table = SHARED / "data" / "geneformer_gc30m_tokens.parquet"
    if name == "demo":
        loaded = load_demonstration()
        return loaded.model, loaded.vocabulary
    if name == "start":
        loaded = load_demonstration()
        torch.manual_seed(0)
        model = RankTransformer(loaded.model.config).eval()
        encoded = encode(cells, loaded.vocabulary)
        from scipy import sparse

        place = np.full(loaded.vocabulary.size, -1)
        place[loaded.vocabulary.tokens] = np.arange(len(loaded.vocabulary))
        values = sparse.csr_matrix(
            (encoded.values, place[encoded.tokens], encoded.indptr),
            shape=(len(encoded), len(loaded.vocabulary)),
        )
        vectors = gene_vectors(values, model.config.hidden_size)
        count = np.asarray((values > 0).sum(axis=0)).ravel().astype(float)
        start_at(model, vectors, loaded.vocabulary.tokens, count)
        return model, loaded.vocabulary
    if name == "v1":
        torch.manual_seed(0)
        return RankTransformer(RankTransformerConfig()).eval(), Vocabulary.read(table)
    loaded = load_model(Path(name), table)
    return loaded.model, loaded.vocabulary


def five_ranks(model: RankTransformer, cells: list[np.ndarray]) -> None:
    tables, alike, shares = [], [], []
    for index, cell in enumerate(cells):
        found = {mode: knock_out(model, cell, RANKS, mode) for mode in MODES}
        for mode, result in found.items():
            table = read_outs(result.shift, result.ranks)
            tables.append(table.assign(mode=mode.value, cell=index, cell_shift=result.cell_shift))
        mask = found[Mode.ATTENTION_MASK].shift
        for mode in MODES:
            if mode is not Mode.ATTENTION_MASK:
                table = agreement(found[mode].shift, mask, np.array(RANKS))
                alike.append(table.assign(mode=mode.value, cell=index))
        for row, rank in enumerate(RANKS):
            share = positional_share(
                found[Mode.DELETE].shift[row], found[Mode.SHIFT_ONLY].shift[row]
            )
            step = spearman(found[Mode.DELETE].shift[row], found[Mode.SHIFT_ONLY].shift[row])
            shares.append({"rank": rank, "share": share, "delete~shift": step})
    columns = [
        "auc",
        "auc_near",
        "median_above",
        "median_below",
        "spearman_with_rank",
        "cell_shift",
    ]
    table = over_cells(pd.concat(tables), ["mode", "rank"], columns)
    show(table[["mode", "rank", "n", "auc", "auc_low", "auc_high", *columns[1:]]])
    print("\nagreement of each mode with the attention mask, over genes")
    table = over_cells(pd.concat(alike), ["mode", "rank"], ["spearman", "top_overlap"])
    show(table)
    print("\nshare of the response to deletion that the shift-only control reproduces")
    show(over_cells(pd.DataFrame(shares), "rank", ["share", "delete~shift"]))


def all_ranks(model: RankTransformer, cell: np.ndarray, stride: int) -> None:
    ranks = scan_ranks(len(cell), stride)[1:]
    found = {
        mode: knock_out(model, cell, [int(rank) for rank in ranks], mode)
        for mode in (Mode.DELETE, Mode.SHIFT_ONLY, Mode.PAIRED, Mode.ATTENTION_MASK)
    }
    print(f"\n{len(ranks)} genes at ranks {ranks[0]} to {ranks[-1]} of one cell")
    rows = []
    for mode, result in found.items():
        outs = read_outs(result.shift, result.ranks)
        rows.append(
            {
                "mode": mode.value,
                "auc min": outs["auc"].min(),
                "auc median": outs["auc"].median(),
                "auc max": outs["auc"].max(),
                "cell shift ~ rank": spearman(result.cell_shift_others, result.ranks.astype(float)),
                "median cell shift": float(np.median(result.cell_shift_others)),
                "cell shift ~ attention mask": spearman(
                    result.cell_shift_others, found[Mode.ATTENTION_MASK].cell_shift_others
                ),
                "cell shift ~ shift only": spearman(
                    result.cell_shift_others, found[Mode.SHIFT_ONLY].cell_shift_others
                ),
            }
        )
    show(pd.DataFrame(rows))


def identity(model: RankTransformer, cell: np.ndarray, rank: int) -> float:
    """Largest difference between a true attention mask and the engine's attention mask."""
    mask = torch.ones(1, len(cell), dtype=torch.bool)
    mask[0, rank] = False
    with torch.inference_mode():
        ids = torch.as_tensor(cell)[None]
        before, after = model(ids)[0].double(), model(ids, mask)[0].double()
    direct = torch.nn.functional.cosine_similarity(before, after, dim=1).numpy()
    ours = knock_out(model, cell, [rank], Mode.DELETE_KEEP_POSITIONS).cosine[0]
    others = np.arange(len(cell)) != rank
    return float(np.abs(direct - ours)[others].max())


def show(table: pd.DataFrame) -> None:
    with pd.option_context("display.width", 200, "display.max_columns", 30, "display.max_rows", 99):
        print(table.to_string(index=False, float_format=lambda v: f"{v:.4g}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=5)
    parser.add_argument("--scan", type=int, default=100, help="stride of the all-rank table")
    parser.add_argument("--models", nargs="+", default=["demo", "start", "v1"])
    args = parser.parse_args()
    path = SHARED / "data" / "pbmc_3chemistries.h5ad"
    if not path.exists():
        raise SystemExit(f"real data not found at {path}; set PERTURBSCOPE_SHARED")
    data = anndata.read_h5ad(path)
    for name in args.models:
        model, vocabulary = load(name, data)
        encoded = encode(data, vocabulary)
        deep = np.flatnonzero(encoded.n_vocabulary_genes >= 1950)
        chosen = np.random.default_rng(0).permutation(deep)[: args.cells]
        cells = [encoded.cell(int(i)) for i in chosen]
        print(f"\n=== {name}: {model.n_layers} layers, width {model.config.hidden_size}; ", end="")
        print(f"{len(cells)} of {len(deep)} cells with 1,950 genes or more")
        five_ranks(model, cells)
        all_ranks(model, cells[0], args.scan)
        print(f"\nidentity, attention mask = positions kept: {identity(model, cells[0], 500):.1e}")


if __name__ == "__main__":
    main()
