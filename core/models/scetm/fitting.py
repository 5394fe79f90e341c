"""Fitting a topic model to counts: seeds, batches of cells, early stopping on held-out cells."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from core.errors import DataError
from core.models.scetm.network import EmbeddedTopicModel
from core.models.scetm.start import start_decoder
from core.progress import OnProgress, silent

#: Matrices of up to so many entries are kept dense on the device.
DENSE_ENTRIES = 50_000_000
_CELLS_AT_ONCE = 4096


@dataclass(frozen=True)
class TopicOptions:
    """How a topic model is built and trained; the defaults are those of the paper but where noted.

    Attributes
    ----------
    epochs
        At most so many (the paper: 12,000; here training stops when held-out likelihood does).
    patience
        Epochs without a gain of :attr:`least_gain` in held-out likelihood before it stops.
    kl_weight
        Of the KL divergence after the warm-up over the first third of the epochs.
    held_out
        Share of cells that judge when to stop; they are embedded like all others.
    warm_start
        Start topics at clusters' profiles (see :mod:`core.models.scetm.start`).
    log_input
        The encoder sees ``log1p(10⁴ · share)`` instead of the share itself.
    weight_decay
        Decoupled (AdamW), of all weights: a few thousand cells are soon learned by heart.
    log_variance
        Of the posterior of δ before training; None: near 0. From there, a network without much of
        a KL divergence first spends epochs on learning not to add noise.
    """

    n_topics: int = 50
    n_embedding: int = 400
    n_hidden: int = 128
    n_layers: int = 2
    dropout: float = 0.1
    learning_rate: float = 0.005
    minibatch: int = 2000
    epochs: int = 300
    patience: int = 40
    least_gain: float = 1e-4
    check_every: int = 5
    kl_weight: float = 1e-7
    held_out: float = 0.1
    warm_start: bool = True
    sharpness: float = 2.0
    log_input: bool = True
    anneal: bool = True
    weight_decay: float = 0.0
    log_variance: float | None = None


@dataclass
class TopicModel:
    """A fitted topic model.

    Attributes
    ----------
    network
        On the CPU, in evaluation mode.
    history
        One row a check: ``epoch, train_nll, held_out_nll, kl, kl_weight, seconds``.
    held_out_rows
        Rows that took no part in the gradient.
    """

    network: EmbeddedTopicModel
    options: TopicOptions
    batches: tuple[str, ...]
    history: pd.DataFrame
    held_out_rows: np.ndarray
    notes: list[str] = field(default_factory=list)

    @classmethod
    def fit(
        cls,
        counts: sparse.csr_matrix,
        batch: np.ndarray,
        batches: tuple[str, ...],
        options: TopicOptions | None = None,
        *,
        seed: int = 0,
        device: str = "cpu",
        pathways: np.ndarray | None = None,
        on_progress: OnProgress = silent,
    ) -> Self:
        """Fit to counts, CSR ``(n, n_genes)``, of cells in batches int64 ``(n,)``.

        Counts need not be whole: corrected expression, put back on the scale of counts, will do.

        Raises
        ------
        DataError
            Where a cell has no count in these genes.
        """
        options = options or TopicOptions()
        counts = sparse.csr_matrix(counts, dtype=np.float32)
        shares = shares_of(counts)
        rng = np.random.default_rng(seed)
        held = _held_out(len(batch), options.held_out, rng)
        train = np.setdiff1d(np.arange(len(batch)), held)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = EmbeddedTopicModel(
                counts.shape[1],
                len(batches),
                n_topics=options.n_topics,
                n_embedding=options.n_embedding,
                n_hidden=options.n_hidden,
                n_layers=options.n_layers,
                dropout=options.dropout,
                log_variance=options.log_variance,
                pathways=None if pathways is None else torch.as_tensor(pathways).float(),
            )
            if options.warm_start:
                start_decoder(
                    network, shares[train], batch[train], seed=seed, sharpness=options.sharpness
                )
            data = _Data(shares, batch, options, device)
            history = _train(network.to(device), data, train, held, options, rng, on_progress)
        network.to("cpu").eval()
        return cls(network, options, batches, history, held)

    def transform(self, counts: sparse.csr_matrix) -> np.ndarray:
        """Means of δ, float32 ``(n, n_topics)``, of any cells with the same genes."""
        data = _Data(
            shares_of(counts), np.zeros(counts.shape[0], dtype=np.int64), self.options, "cpu"
        )
        return _means(self.network, data)

    def topics(self, counts: sparse.csr_matrix) -> np.ndarray:
        """θ, float32 ``(n, n_topics)``: the share of each topic in each cell."""
        delta = torch.from_numpy(self.transform(counts))
        return torch.softmax(delta, dim=1).numpy()

    def negative_log_likelihood(self, counts: sparse.csr_matrix, batch: np.ndarray) -> float:
        """Mean over cells of the negative log-likelihood a read, in nats."""
        data = _Data(shares_of(counts), batch, self.options, "cpu")
        return _likelihood(self.network, data, np.arange(len(batch)))

    @torch.no_grad()
    def topic_genes(self) -> np.ndarray:
        """``α ρ``, float32 ``(n_topics, n_genes)``."""
        return self.network.topic_genes().numpy()

    @torch.no_grad()
    def gene_embedding(self) -> np.ndarray:
        """ρ by gene, float32 ``(n_genes, n_pathways + n_embedding)``."""
        return self.network.gene_embedding.T.contiguous().numpy()


def shares_of(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Each cell's counts over their sum, CSR float32.

    Raises
    ------
    DataError
        Where a cell has no count.
    """
    counts = sparse.csr_matrix(counts, dtype=np.float32)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    empty = int((totals <= 0).sum())
    if empty:
        raise DataError(
            f"{empty:,} of {len(totals):,} cells have no count in the chosen genes: "
            "filter cells by their counts first."
        )
    return sparse.csr_matrix(sparse.diags_array(1 / totals) @ counts, dtype=np.float32)


class _Data:
    """Shares on the device: dense where they fit, else rows of a CSR matrix made dense in parts."""

    def __init__(
        self, shares: sparse.csr_matrix, batch: np.ndarray, options: TopicOptions, device: str
    ) -> None:
        self.device, self.log_input = device, options.log_input
        self.batch = torch.as_tensor(batch, dtype=torch.int64, device=device)
        self.shape = shares.shape
        self._dense: torch.Tensor | None = None
        self._inputs: torch.Tensor | None = None
        if math.prod(shares.shape) <= DENSE_ENTRIES:
            self._dense = torch.from_numpy(shares.toarray()).to(device)
            self._inputs = self._input(self._dense)
        else:
            self._pointers = shares.indptr.astype(np.int64)
            self._columns = torch.from_numpy(shares.indices.astype(np.int64)).to(device)
            self._values = torch.from_numpy(shares.data).to(device)

    def __len__(self) -> int:
        return int(self.shape[0])

    def take(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The encoder's input, the decoder's targets and the batches of some cells."""
        at = torch.from_numpy(rows).to(self.device)
        if self._dense is not None and self._inputs is not None:
            return self._inputs[at], self._dense[at], self.batch[at]
        starts, stops = self._pointers[rows], self._pointers[rows + 1]
        lengths = stops - starts
        offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        places = torch.from_numpy(np.arange(lengths.sum()) + offsets).to(self.device)
        owner = torch.from_numpy(np.repeat(np.arange(len(rows)), lengths)).to(self.device)
        dense = torch.zeros((len(rows), self.shape[1]), device=self.device)
        dense[owner, self._columns[places]] = self._values[places]
        return self._input(dense), dense, self.batch[at]

    def _input(self, shares: torch.Tensor) -> torch.Tensor:
        return torch.log1p(shares * 1e4) if self.log_input else shares


def _held_out(n: int, share: float, rng: np.random.Generator) -> np.ndarray:
    count = round(share * n)
    return np.sort(rng.choice(n, count, replace=False)) if count else np.empty(0, dtype=np.int64)


def _train(
    network: EmbeddedTopicModel,
    data: _Data,
    train: np.ndarray,
    held: np.ndarray,
    options: TopicOptions,
    rng: np.random.Generator,
    on_progress: OnProgress,
) -> pd.DataFrame:
    """Train to the end or until held-out likelihood stands still; leaves the best weights."""
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        fused=True,  # one pass over the weights: a third of a step otherwise
    )
    judged_on = held if len(held) else train
    warm_up = max(options.epochs / 3, 1)
    best, best_epoch = math.inf, 0
    state: dict[str, Any] = copy.deepcopy(network.state_dict())
    records: list[dict[str, float]] = []
    started = time.perf_counter()
    for epoch in range(1, options.epochs + 1):
        network.train()
        kl_weight = options.kl_weight * min(1.0, epoch / warm_up)
        if options.anneal:
            rate = 0.5 * (1 + math.cos(math.pi * (epoch - 1) / options.epochs))
            optimizer.param_groups[0]["lr"] = options.learning_rate * max(rate, 0.02)
        order = rng.permutation(train)
        # Parts of nearly one size: batch norm has no use for a last part of two cells.
        parts = np.array_split(order, max(1, math.ceil(len(order) / options.minibatch)))
        sums = np.zeros(2)
        for part in parts:
            optimizer.zero_grad(set_to_none=True)
            loss, nll, divergence = network.negative_elbo(*data.take(part), kl_weight)
            loss.backward()
            optimizer.step()
            sums += len(part) * np.array([float(nll.detach()), float(divergence.detach())])
        on_progress(epoch, options.epochs, "Topic model")
        if epoch % options.check_every and epoch != options.epochs:
            continue
        value = _likelihood(network, data, judged_on)
        records.append(
            {
                "epoch": epoch,
                "train_nll": sums[0] / len(train),
                "held_out_nll": value,
                "kl": sums[1] / len(train),
                "kl_weight": kl_weight,
                "seconds": time.perf_counter() - started,
            }
        )
        if value < best - options.least_gain:
            best, best_epoch = value, epoch
            state = copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= options.patience:
            break
    network.load_state_dict(state)
    on_progress(options.epochs, options.epochs, "Topic model")
    return pd.DataFrame(records)


@torch.no_grad()
def _likelihood(network: EmbeddedTopicModel, data: _Data, rows: np.ndarray) -> float:
    network.eval()
    total = 0.0
    for start in range(0, len(rows), _CELLS_AT_ONCE):
        part = rows[start : start + _CELLS_AT_ONCE]
        inputs, targets, batch = data.take(part)
        mu, _ = network.encode(inputs)
        total -= float((targets * network.log_shares(mu, batch)).sum())
    return total / len(rows)


@torch.no_grad()
def _means(network: EmbeddedTopicModel, data: _Data) -> np.ndarray:
    network.eval()
    found = []
    for start in range(0, len(data), _CELLS_AT_ONCE):
        rows = np.arange(start, min(start + _CELLS_AT_ONCE, len(data)))
        found.append(network.encode(data.take(rows)[0])[0].cpu().numpy())
    return np.concatenate(found)
