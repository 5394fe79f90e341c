"""Constants of the simulation: what real data and published figures fixed, and what was chosen.

Calibrated to summaries of the NeurIPS 2023 competition's table, never to single values of it:
row magnitudes of NK cells, means per cell type, and published scores. The table of
``benchmarks/simulation_calibration.py`` shows how close each of them comes.
"""

from __future__ import annotations

import numpy as np

#: Rows of every array below that has one entry a cell type.
CELL_TYPES = (
    "B cells",
    "Myeloid cells",
    "NK cells",
    "T cells CD4+",
    "T cells CD8+",
    "T regulatory cells",
)
NK = CELL_TYPES.index("NK cells")

#: RMS over all genes of the 146 real NK rows: quantile levels and values.
NK_RMS_LEVELS = np.array([0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.85, 0.9, 0.93, 0.945, 0.97, 0.99, 1])
NK_RMS_VALUES = np.array(
    [0.55, 0.56, 0.573, 0.6, 0.693, 0.867, 1.2, 1.78, 2.4, 6.1, 8.9, 11.0, 14.2]
)

#: Under no effect the p-value is uniform, so signed −log10 p is Laplace with scale 1/ln 10.
NULL_SCALE = 1 / np.log(10)
#: Variance that a unit-variance z-score gains when turned into −log10 p, per unit of −log10 p
#: (delta method: −log10 p ≈ z²/(2 ln 10), so var ≈ (z/ln 10)² = 2/ln 10 · (−log10 p)).
EFFECT_VARIANCE = 2 / np.log(10)
#: Noise of the z-scores by cell type; below 1, as in the real table (moderated statistics).
NOISE = np.array([0.62, 0.64, 0.60, 0.60, 0.58, 0.60])

#: RMS of the programme that all rows of a cell type share, and its correlation between types.
PROGRAMME_RMS = np.array([0.30, 0.32, 0.32, 0.28, 0.13, 0.34])
PROGRAMME_CORRELATION = np.array(
    [
        [1.0, 0.5, 0.4, 0.3, -0.1, 0.4],
        [0.5, 1.0, 0.3, 0.2, -0.1, 0.3],
        [0.4, 0.3, 1.0, 0.4, -0.1, 0.5],
        [0.3, 0.2, 0.4, 1.0, 0.3, 0.5],
        [-0.1, -0.1, -0.1, 0.3, 1.0, -0.1],
        [0.4, 0.3, 0.5, 0.5, -0.1, 1.0],
    ]
)
#: How alike two cell types regulate their genes.
LINEAGE_CORRELATION = np.array(
    [
        [1.0, 0.5, 0.6, 0.6, 0.6, 0.6],
        [0.5, 1.0, 0.5, 0.5, 0.5, 0.5],
        [0.6, 0.5, 1.0, 0.7, 0.7, 0.7],
        [0.6, 0.5, 0.7, 1.0, 0.8, 0.8],
        [0.6, 0.5, 0.7, 0.8, 1.0, 0.8],
        [0.6, 0.5, 0.7, 0.8, 0.8, 1.0],
    ]
)

#: Strength of mild and of toxic compounds, relative to NK cells.
MILD_SENSITIVITY = np.array([0.55, 0.55, 1.0, 1.0, 1.1, 1.0])
TOXIC_SENSITIVITY = np.array([1.15, 1.45, 1.0, 0.95, 0.38, 1.1])
#: Share of the toxicity programme in the responses of the most toxic compounds.
TOXICITY_SHARE = np.array([0.6, 0.5, 0.76, 0.25, 0.0, 0.9])
#: How sharply the toxicity programme rises towards silent genes (an exponent).
TOXICITY_SHAPE = np.array([4.0, 4.5, 2.6, 1.5, 1.5, 1.0])
#: Share of a response's direction that belongs to one (cell type, compound) pair alone.
#: In toxic compounds this share, and the jitter below, shrink by up to TOXIC_CALM.
INTERACTION = np.array([0.3, 0.3, 0.3, 0.4, 0.4, 0.3])
#: SD of the log-strength of one pair around what its compound and cell type say.
STRENGTH_JITTER = np.array([0.25, 0.25, 0.0, 0.25, 0.25, 0.25])
TOXIC_CALM = 0.7

#: Parts of a compound's latent factors, as shares of variance.
STRUCTURE_SHARE, MECHANISM_SHARE = 0.3, 0.5
N_FACTORS = 24

#: Mean latent potency of the mechanisms that act strongly on blood cells in culture (by their
#: pharmacology, and those that head the real NK rows); all others are 0. Units: SD of the
#: potency of a compound of no strong mechanism.
POTENCY = {
    "transcriptional CDK inhibitor": 5.5,
    "proteasome inhibitor": 5.5,
    "adenosine kinase inhibitor": 5.0,
    "Na/K-ATPase inhibitor": 5.0,
    "HSP90 inhibitor": 4.5,
    "HDAC inhibitor": 3.0,
    "bromodomain inhibitor": 1.5,
    "glucocorticoid receptor agonist": 2.0,
    "PI3K/mTOR inhibitor": 1.0,
    "MDM2 inhibitor": 2.0,
    "topoisomerase inhibitor": 1.5,
    "HMG-CoA reductase inhibitor": 1.0,
    "CDK1/2 inhibitor": 1.5,
    "IKK inhibitor": 1.0,
    "MEK inhibitor": 1.0,
    "BCL2 family inhibitor": 0.7,
    "SYK/BTK inhibitor": 0.3,
    "GSK3 inhibitor": 0.7,
    "antimetabolite": 0.7,
    "RAF inhibitor": 0.7,
}
#: Potency of a positive control: it has many replicates, hence much smaller p-values.
CONTROL_POTENCY = 2.0
#: Response of each cell type to a mechanism, relative to what its strength in NK cells says
#: (order of :data:`CELL_TYPES`). Below 1 for strong mechanisms of the public test rows: at full
#: strength there, the published public scores would be out of any model's reach. Above 1 where
#: B or myeloid cells are known to depend on the target.
LINEAGE_RESPONSE = {
    "adenosine kinase inhibitor": (0.1, 0.1, 1, 0.15, 0.3, 0.15),
    "Na/K-ATPase inhibitor": (0.1, 0.1, 1, 0.15, 0.3, 0.15),
    "HSP90 inhibitor": (0.25, 0.25, 1, 0.4, 0.5, 0.4),
    "HDAC inhibitor": (1.2, 1.2, 1, 1, 1, 1),
    "BCL2 family inhibitor": (2.5, 1.5, 1, 1, 1, 1),
    "SYK/BTK inhibitor": (2, 1.5, 1, 1, 1, 1),
    "glucocorticoid receptor agonist": (2, 2.5, 1, 1, 1, 1),
    "MDM2 inhibitor": (2, 2, 1, 1, 1, 1),
    "MEK inhibitor": (1, 2, 1, 1, 1, 1),
    "IKK inhibitor": (1.5, 2, 1, 1, 1, 1),
}
