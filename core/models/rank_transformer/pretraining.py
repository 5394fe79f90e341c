"""Masked-token pretraining: what a batch is, and what the weights start at.

A long cell is trained on a random sample of its genes, each at its **true** position, so that
short batches teach the same positions as whole cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.ndimage import gaussian_filter1d

from core.models.rank_transformer.network import RankTransformer

#: Of the chosen tokens: shown as the mask, replaced by another gene; the rest stay (BERT).
MASK_SHARE, RANDOM_SHARE = 0.8, 0.1
#: Batches that are sorted by length together.
_POOL = 32


@dataclass(frozen=True)
class MaskedBatch:
    """Padded cells, some of whose tokens are to be guessed.

    Attributes
    ----------
    tokens, positions
        int64 ``(b, l)``; what the model sees.
    attention
        bool ``(b, l)``, false at padding.
    chosen
        bool ``(b, l)``: tokens to guess.
    answers
        int64 ``(n_chosen,)``, in the order of ``chosen``.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    attention: torch.Tensor
    chosen: torch.Tensor
    answers: torch.Tensor

    def to(self, device: torch.device) -> MaskedBatch:
        """The batch on ``device``."""
        return MaskedBatch(*(getattr(self, name).to(device) for name in self.__annotations__))


def make_batch(
    cells: Sequence[np.ndarray],
    rng: np.random.Generator,
    *,
    n_genes: int | None,
    mask_share: float,
    gene_tokens: np.ndarray,
    mask_token: int,
    pad_token: int,
    always_mask: bool = False,
) -> MaskedBatch:
    """Sample, mask and pad cells.

    Parameters
    ----------
    cells
        Ranked cells, int64 each.
    n_genes
        Genes sampled of a longer cell, kept in order with their positions; ``None``: all.
    mask_share
        Share of tokens to guess, at least one a cell.
    gene_tokens
        Tokens that may stand as random replacements.
    always_mask
        Show every chosen token as the mask, for judging.
    """
    picked = []
    for cell in cells:
        at = np.arange(len(cell))
        if n_genes is not None and len(cell) > n_genes:
            at = np.sort(rng.choice(len(cell), n_genes, replace=False))
        picked.append(at)
    length = max(map(len, picked))
    shape = (len(cells), length)
    tokens = np.full(shape, pad_token, dtype=np.int64)
    positions = np.zeros(shape, dtype=np.int64)
    attention = np.zeros(shape, dtype=bool)
    chosen = np.zeros(shape, dtype=bool)
    for row, (cell, at) in enumerate(zip(cells, picked, strict=True)):
        n = len(at)
        tokens[row, :n], positions[row, :n], attention[row, :n] = cell[at], at, True
        guessed = rng.choice(n, max(1, round(mask_share * n)), replace=False)
        chosen[row, guessed] = True
    answers = tokens[chosen]
    draw = rng.random(len(answers))
    seen = answers.copy()
    seen[(draw < MASK_SHARE) | always_mask] = mask_token
    swapped = (draw >= MASK_SHARE) & (draw < MASK_SHARE + RANDOM_SHARE) & (not always_mask)
    seen[swapped] = rng.choice(gene_tokens, int(swapped.sum()))
    tokens[chosen] = seen
    return MaskedBatch(*map(torch.from_numpy, (tokens, positions, attention, chosen, answers)))


def length_buckets(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Batches of cell indices of similar length, in random order; each cell once.

    Cells are shuffled, sorted by length within pools of 32 batches, and cut: padding stays small
    and batches differ from epoch to epoch.
    """
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), batch_size * _POOL):
        pool = order[start : start + batch_size * _POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    for index in rng.permutation(len(batches)):
        yield batches[index]


def gene_vectors(
    values: sparse.csr_matrix, width: int, *, seed: int = 0, n_iter: int = 4
) -> np.ndarray:
    """Vectors of genes from a truncated SVD of the cells, float32 ``(n_genes, width)``.

    Parameters
    ----------
    values
        Values that genes are ranked by (``(n_cells, n_genes)``); their ``log1p`` is decomposed.
    width
        Components; where the data have fewer, the rest is small noise.

    Notes
    -----
    Randomised SVD (Halko et al. 2011) of the matrix with columns scaled to unit length, so that
    rare genes get vectors as long as common ones.
    """
    rng = np.random.default_rng(seed)
    logged = sparse.csr_matrix(values, dtype=np.float64).log1p()
    norms = np.sqrt(np.asarray(logged.multiply(logged).sum(axis=0)).ravel())
    scaled = sparse.csr_matrix(logged @ sparse.diags(1.0 / np.maximum(norms, 1e-12)))
    rank = min(width, *(n - 1 for n in scaled.shape))
    sketch = scaled @ rng.normal(size=(scaled.shape[1], min(rank + 16, min(scaled.shape))))
    for _ in range(n_iter):
        sketch = scaled @ (scaled.T @ np.linalg.qr(sketch)[0])
    basis = np.linalg.qr(sketch)[0]
    _, singular, right = np.linalg.svd(np.asarray(basis.T @ scaled), full_matrices=False)
    vectors = right[:rank].T * np.sqrt(singular[:rank])
    out = rng.normal(size=(scaled.shape[1], width)) * vectors.std()
    out *= 0.1
    out[:, :rank] += vectors
    return np.asarray(out / out.std(), dtype=np.float32)


def smooth_positions(n: int, width: int) -> np.ndarray:
    """Sinusoidal positions (Vaswani et al. 2017) of unit spread, float32 ``(n, width)``.

    A start at which neighbouring ranks are alike: a few thousand cells do not teach two thousand
    independent positions.
    """
    place = np.arange(n)[:, None]
    half = -(-width // 2)
    angle = place / 10_000 ** (np.arange(half)[None] / half)
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(n, 2 * half)[:, :width]
    return np.asarray(waves / waves.std(), dtype=np.float32)


@torch.no_grad()
def average_positions(model: RankTransformer, spread: float) -> None:
    """Average each position's embedding with those of its neighbouring ranks, in place.

    A few thousand cells teach two thousand positions roughly: what differs between one rank and
    the next is chance, and the model would answer to it whenever a gene moves up by one.

    Parameters
    ----------
    spread
        Standard deviation in ranks of the Gaussian weights; 0 leaves the positions as they are.
    """
    if spread <= 0:
        return
    weight = model.positions.weight
    smooth = gaussian_filter1d(weight.cpu().double().numpy(), spread, axis=0, mode="nearest")
    weight.copy_(torch.from_numpy(smooth).to(weight))


@torch.no_grad()
def start_at(
    model: RankTransformer,
    vectors: np.ndarray,
    tokens: np.ndarray,
    frequency: np.ndarray,
    *,
    spread: float = 0.05,
) -> None:
    """Begin where the data already say something.

    Token embeddings begin at gene vectors, positions at sinusoids of 0.4 times their spread, and
    the head's bias at the log frequency of tokens, so that the first guess is the unigram model.

    Parameters
    ----------
    vectors
        ``(n_genes, d)`` of unit spread, of the genes with ``tokens`` ``(n_genes,)``.
    frequency
        How often each gene is met, ``(n_genes,)``.
    """
    device = model.device
    at = torch.as_tensor(tokens, device=device)
    model.tokens.weight[at] = torch.as_tensor(vectors, device=device) * spread
    n, width = model.positions.weight.shape
    waves = torch.from_numpy(smooth_positions(n, width)).to(device)
    model.positions.weight.copy_(waves * 0.4 * spread)
    share = (frequency + 0.5) / (frequency + 0.5).sum()
    bias = torch.full_like(model.head_bias, float(np.log(share.min())))
    bias[at] = torch.as_tensor(np.log(share), dtype=bias.dtype, device=device)
    model.head_bias.copy_(bias)
