"""``op2-demo``: a simulation with the design of the NeurIPS 2023 perturbation competition."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.data.facts import op2_compounds, op2_genes, op2_mechanism_classes, op2_pairs
from core.data.simulation.calibration import CELL_TYPES, NK, NOISE, TOXICITY_SHARE
from core.data.simulation.drugs import Drugs, simulate_drugs
from core.data.simulation.genes import GenePrograms, simulate_genes, unit_rms
from core.data.simulation.noise import draw_noise, noise_sd
from core.data.table import OBS_COLUMNS, TRAIN, PerturbationTable, content_hash
from core.errors import DataError
from core.progress import OnProgress, silent

TARGET = "signed −log10 p"


def simulate_op2(
    *, seed: int = 0, n_genes: int | None = None, on_progress: OnProgress = silent
) -> PerturbationTable:
    """Simulate the competition's table: its design is real, its values are not.

    Real: the 146 compounds with structure and mechanism, the 869 (cell type, compound) pairs
    with their split and order, the 18,211 gene symbols. Simulated: every value. For a pair of
    cell type c and compound d ::

        truth[c, d]  = programme[c] + strength[c, d] · direction[c, d]
        values[c, d] = truth[c, d] + noise(truth[c, d])

    - *programme*: what all rows of a cell type share (as a common control does), correlated
      between cell types.
    - *direction* (unit root mean square over genes): 24 latent factors of the compound times
      the cell type's gene loadings; toxic compounds also share a toxicity programme, in which
      silent genes all seem to gain up to a ceiling. The factors are three tenths chemical
      structure (Morgan counts), half mechanism class, one fifth the compound's own; part of
      each pair's direction belongs to that pair alone. Loadings are sparse and heavy-tailed:
      each gene has one main module; cell types share about half of them.
    - *strength*: compounds are ranked by a latent potency (mechanism, structure, chance) and
      given the quantiles of the real NK rows' root mean squares; other cell types follow by
      their sensitivity to mild and toxic compounds, by mechanism, and by chance.
    - *noise*: that of a signed −log10 p. Without an effect p is uniform, so the noise is
      Laplace with scale 1/ln 10; with an effect its variance grows with |−log10 p| (delta
      method). It is larger in B and myeloid cells, and differs from gene to gene.

    Calibrated to the real NK row magnitudes, to the real means per cell type (size, spread,
    correlations) and to published scores; constants in
    :mod:`core.data.simulation.calibration`, comparison in ``docs/op2-demo.md``. Which
    mechanisms are strong follows pharmacology and the real NK rows; no gene's real value and no
    compound's real magnitude is in it, so nothing biological can be learned from it.

    Parameters
    ----------
    seed
        The same seed gives the same bytes on the same machine.
    n_genes
        Number of genes, evenly spread over the table and with CD69, for quick tests; all by
        default. Another number draws other values for the same gene.
    on_progress
        Called as ``(done, total, message)``.

    Returns
    -------
    PerturbationTable
        869 rows (614 train, then 255 test by id), float32; ``obs`` has ``split``, ``id`` (of
        test rows), ``moa``; ``truth`` holds the noiseless values.

    Raises
    ------
    DataError
        If ``n_genes`` is not between 1 and 18,211.
    """
    obs, symbols, compounds = design(), choose_genes(n_genes), op2_compounds()
    steps = len(CELL_TYPES) + 2
    on_progress(0, steps, "Simulating genes and compounds")
    rng = np.random.default_rng(seed)
    drugs = simulate_drugs(rng, compounds, op2_mechanism_classes())
    genes = simulate_genes(rng, len(symbols))
    strength = _nk_strength(drugs, genes)

    truth = np.empty((len(obs), len(symbols)), dtype=np.float32)
    values = np.empty_like(truth)
    compound = pd.Index(compounds["sm_name"]).get_indexer(obs["sm_name"])
    for i, cell_type in enumerate(CELL_TYPES):
        on_progress(1 + i, steps, f"Simulating {cell_type}")
        rows = np.flatnonzero((obs["cell_type"] == cell_type).to_numpy())
        size = (strength * drugs.sensitivity[i])[:, None].astype(np.float32)
        response = (genes.programme[i] + size * _directions(drugs, genes, i))[compound[rows]]
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
        meta={
            "label": "Simulated perturbation responses (op2-demo)",
            "source": "core.data.simulation.simulate_op2",
            "seed": seed,
            "notes": "Simulated values on the real design of the NeurIPS 2023 single-cell "
            "perturbation competition; see docs/op2-demo.md.",
        },
    )


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
    cd69 = genes.tolist().index("CD69")
    positions[np.abs(positions - cd69).argmin()] = cd69
    return genes[positions]


def _directions(drugs: Drugs, genes: GenePrograms, cell_type: int) -> np.ndarray:
    """Unit-RMS response of every compound in one cell type, ``(n_compounds, n_genes)``."""
    share = (TOXICITY_SHARE[cell_type] * drugs.toxic)[:, None].astype(np.float32)
    specific = unit_rms(drugs.factors[cell_type].astype(np.float32) @ genes.loadings[cell_type])
    return unit_rms(np.sqrt(1 - share) * specific + np.sqrt(share) * genes.toxicity[cell_type])


def _nk_strength(drugs: Drugs, genes: GenePrograms) -> np.ndarray:
    """Strength of each compound in NK cells, so that its noisy row has the RMS it shall have.

    Bisection on the expected mean square of the row over a sample of the genes, ``(n,)``.
    """
    direction = _directions(drugs, genes, NK)
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
