"""``op2-demo``: a simulation with the design of the NeurIPS 2023 perturbation competition."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.data.facts import op2_compounds, op2_genes, op2_mechanism_classes, op2_pairs
from core.data.simulation.calibration import (
    CELL_TYPES,
    EFFECT_VARIANCE,
    NK,
    NOISE,
    NULL_SCALE,
)
from core.data.simulation.drugs import Drugs, simulate_drugs
from core.data.simulation.genes import GenePrograms, simulate_genes, unit_rms
from core.data.table import OBS_COLUMNS, TRAIN, PerturbationTable, content_hash
from core.errors import DataError
from core.progress import OnProgress, silent

TARGET = "signed −log10 p"
TOXIC_SHARE = 0.6


def design() -> pd.DataFrame:
    """The competition's pairs as an ``obs`` table: training rows, then test rows by id."""
    pairs = op2_pairs()
    obs = pairs.merge(op2_compounds(), on="sm_name", how="left", validate="many_to_one")
    obs["id"] = obs["id"].astype("Int64").mask(obs["split"] == TRAIN)
    return obs[[*OBS_COLUMNS, "split", "id", "moa"]]


def choose_genes(n_genes: int | None) -> pd.Index:
    """All gene symbols, or ``n_genes`` of them evenly spread and with CD69, in table order."""
    genes = op2_genes()
    if n_genes is None or n_genes == len(genes):
        return genes
    if not 1 <= n_genes <= len(genes):
        raise DataError(
            f"The simulation has {len(genes)} genes; n_genes={n_genes} cannot be taken from them."
        )
    positions = np.linspace(0, len(genes) - 1, n_genes).round().astype(int)
    cd69 = int(genes.get_loc("CD69"))
    positions[np.abs(positions - cd69).argmin()] = cd69
    return genes[positions]


def noise_sd(truth: np.ndarray, noise: float, gene_noise: np.ndarray) -> np.ndarray:
    """Standard deviation of values of signed −log10 p around ``truth``, of the same shape."""
    size = np.abs(truth)
    null = np.square(gene_noise) * (2 * NULL_SCALE**2)
    return noise * np.sqrt(null + EFFECT_VARIANCE * size**2 / (size + NULL_SCALE))


def _directions(drugs: Drugs, genes: GenePrograms, cell_type: int) -> np.ndarray:
    """Unit-RMS response of every compound in one cell type, ``(n_compounds, n_genes)``."""
    share = (TOXIC_SHARE * drugs.toxic)[:, None].astype(np.float32)
    specific = unit_rms(drugs.factors[cell_type].astype(np.float32) @ genes.loadings[cell_type])
    return unit_rms(np.sqrt(1 - share) * specific + np.sqrt(share) * genes.toxicity[cell_type])


def _strength(drugs: Drugs, genes: GenePrograms, direction: np.ndarray) -> np.ndarray:
    """Strength of each compound in NK cells, so that its noisy row has the RMS it shall have.

    Bisection on the expected mean square of the row, over a sample of the genes.
    """
    sample = slice(None, None, max(1, direction.shape[1] // 1500))
    direction, programme = direction[:, sample], genes.programme[NK][sample]
    low, high = np.full(len(direction), 0.02), 1.5 * drugs.nk_rms
    for _ in range(24):
        middle = (low + high) / 2
        truth = programme + middle[:, None] * direction
        variance = noise_sd(truth, NOISE[NK], genes.noise[sample]) ** 2
        short = np.mean(truth**2 + variance, axis=1) < drugs.nk_rms**2
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return (low + high) / 2


def simulate_op2(
    *, seed: int = 0, n_genes: int | None = None, on_progress: OnProgress = silent
) -> PerturbationTable:
    """Simulate."""
    rng = np.random.default_rng(seed)
    obs = design()
    symbols = choose_genes(n_genes)
    compounds = op2_compounds()
    steps = len(CELL_TYPES) + 2
    on_progress(0, steps, "Simulating genes and compounds")
    drugs = simulate_drugs(rng, compounds, op2_mechanism_classes())
    genes = simulate_genes(rng, len(symbols))
    strength = _strength(drugs, genes, _directions(drugs, genes, NK))

    truth = np.empty((len(obs), len(symbols)), dtype=np.float32)
    values = np.empty_like(truth)
    position = pd.Index(compounds["sm_name"]).get_indexer(obs["sm_name"])
    for i, cell_type in enumerate(CELL_TYPES):
        on_progress(1 + i, steps, f"Simulating {cell_type}")
        rows = np.flatnonzero((obs["cell_type"] == cell_type).to_numpy())
        size = (strength * drugs.sensitivity[i])[:, None].astype(np.float32)
        response = (genes.programme[i] + size * _directions(drugs, genes, i))[position[rows]]
        truth[rows] = response
        values[rows] = response + draw_noise(rng, response, NOISE[i], genes.noise)
    on_progress(steps - 1, steps, "Hashing the simulated table")
    digest = content_hash(obs, symbols, values)
    on_progress(steps, steps, "Simulated")
    return PerturbationTable(
        id="op2-demo",
        obs=obs,
        genes=symbols,
        values=values,
        target=TARGET,
        simulated=True,
        content_hash=digest,
        truth=truth,
        meta={"seed": seed},
    )


def draw_noise(
    rng: np.random.Generator, truth: np.ndarray, noise: float, gene_noise: np.ndarray
) -> np.ndarray:
    """Laplace noise of the standard deviation that :func:`noise_sd` states, float32."""
    draw = rng.standard_exponential(truth.shape, dtype=np.float32)
    draw -= rng.standard_exponential(truth.shape, dtype=np.float32)
    sd = noise_sd(truth, np.float32(noise), gene_noise)
    return draw * (sd / np.float32(np.sqrt(2)))
