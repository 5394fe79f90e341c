"""Training time at the competition's size, 614 pairs × 18,211 genes, beside its peers.

    python -m benchmarks.train_speed [--epochs 100] [--peer-epochs 10] [--threads 2]

Peers, on the same features and responses (simulated): scikit-learn's ``MLPRegressor`` with the
same widths, and the plain torch loop that tutorials write (``DataLoader``, default AdamW, the
same network with its own initial weights). Peers run fewer epochs; compare seconds an epoch.
Ours judges a validation set after every epoch, the peers do not.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import torch
from sklearn.neural_network import MLPRegressor
from torch.utils.data import DataLoader, TensorDataset

from core.data.simulation.op2 import simulate_op2
from core.data.table import TRAIN
from core.featurizers.pipeline import FeaturePipeline
from core.models.base import MODELS
from core.models.inputs import Inputs
from core.models.network import Batch, InputShape
from core.studies.perturbation.config import DEFAULT_FEATURES
from core.training.estimator import Standardizer, TorchResponseModel
from core.training.trainer import TrainingOptions

BATCH = 64


class Clock:
    """Wall time, and processor time of all threads (what counts on a machine others use too)."""

    def __init__(self) -> None:
        self.wall, self.busy = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, time.process_time() - self.busy


def report(what: str, epochs: int, clock: Clock, score: float | None = None) -> None:
    """One line of the table."""
    seconds, busy = clock.read()
    fitted = "" if score is None else f"{score:10.4f}"
    line = f"{what:46}{epochs:7}{seconds:10.1f}{busy:10.1f}{seconds / epochs:12.3f}{fitted}"
    print(line, flush=True)


def ours(
    network: str, inputs: Inputs, values: np.ndarray, epochs: int, device: str, rank: int | None
) -> None:
    options = TrainingOptions(epochs=epochs, batch_size=BATCH, patience=0, device=device)
    held = np.arange(0, len(values), 10)
    clock = Clock()
    model = TorchResponseModel(network, None, options, n_components=rank)
    model.fit(inputs, values, validation=(inputs.take(held), values[held]), select=False)
    if device == "cuda":
        torch.cuda.synchronize()
    head = "all genes" if rank is None else f"{rank} components"
    loss = model.outcome.history[-1]["train_loss"]
    report(f"{network}, {head}, {device}", epochs, clock, loss)


def naive(network: str, inputs: Inputs, values: np.ndarray, epochs: int) -> None:
    """The loop of a tutorial around the same network."""
    cell, molecule = (
        Standardizer.fit(view).transform(view, "") for view in (inputs.cell, inputs.molecule)
    )
    arrays = (inputs.cell_type, inputs.compound, cell, molecule, values)
    data = TensorDataset(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))
    entry = MODELS.get(network).value
    shape = InputShape(
        inputs.n_cell_types, inputs.n_compounds, cell.shape[1], molecule.shape[1], values.shape[1]
    )
    torch.manual_seed(0)
    module = entry(shape, entry.Params())
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    clock = Clock()
    for _ in range(epochs):
        losses = []
        for *parts, target in DataLoader(data, BATCH, shuffle=True):
            optimizer.zero_grad()
            loss = (module(Batch(*parts)) - target).square().mean(dim=1).sqrt().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    report(f"{network}, plain torch loop, cpu", epochs, clock, np.mean(losses))


def sklearn_mlp(inputs: Inputs, values: np.ndarray, epochs: int) -> None:
    features = np.concatenate([inputs.cell, inputs.molecule], axis=1)
    features = Standardizer.fit(features).transform(features, "")
    model = MLPRegressor(
        hidden_layer_sizes=(384, 384, 256), batch_size=BATCH, max_iter=epochs, random_state=0
    )
    clock = Clock()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, and is not meant to
        model.fit(features, values)
    report("scikit-learn MLPRegressor (MSE), cpu", model.n_iter_, clock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--peer-epochs", type=int, default=10)
    parser.add_argument("--components", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    table = simulate_op2(seed=0)
    rows = np.flatnonzero(table.obs["split"] == TRAIN)
    obs, values = table.obs.iloc[rows].reset_index(drop=True), np.array(table.values[rows])
    started = time.perf_counter()
    inputs = FeaturePipeline([(name, {}) for name in DEFAULT_FEATURES]).fit_transform(obs, values)
    print(
        f"{len(values)} pairs × {values.shape[1]:,} genes, features {inputs.cell.shape[1]} + "
        f"{inputs.molecule.shape[1]} in {time.perf_counter() - started:.1f} s, "
        f"{asked.threads} threads, torch {torch.__version__}"
    )
    print(f"{'':46}{'epochs':>7}{'seconds':>10}{'cpu s':>10}{'s an epoch':>12}{'loss':>10}")
    for network in ("mlp", "transformer"):
        ours(network, inputs, values, asked.epochs, "cpu", None)
        ours(network, inputs, values, asked.epochs, "cpu", asked.components)
        if torch.cuda.is_available():
            ours(network, inputs, values, asked.epochs, "cuda", None)
            ours(network, inputs, values, asked.epochs, "cuda", asked.components)
        naive(network, inputs, values, asked.peer_epochs)
    sklearn_mlp(inputs, values, asked.peer_epochs)
    if not torch.cuda.is_available():
        print("No GPU on this machine: no GPU figure.")


if __name__ == "__main__":
    main()
