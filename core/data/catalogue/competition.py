"""The NeurIPS 2023 single-cell perturbation competition (Open Problems, "OP2")."""

from __future__ import annotations

from core.data.providers.simulation import Simulation
from core.data.providers.url import RemoteFile, Urls
from core.data.readers.competition import read_op2, read_scape
from core.data.readers.h5ad import read_cells
from core.data.registry import CELLS, PERTURBATION, DataSet, register

BUCKET = "https://openproblems-bio.s3.amazonaws.com/public/neurips-2023-competition"
UPLOAD = f"{BUCKET}/2023-09-14_kaggle_upload"
HOMEPAGE = "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc=GSE279945"
CITATION = (
    "Szałata A. et al. A benchmark for prediction of transcriptomic responses to chemical "
    "perturbations across cell types. NeurIPS 2024 Datasets and Benchmarks; GEO GSE279945."
)
DESCRIBED = ("cell_type", "sm_name", "sm_lincs_id", "SMILES", "control", "split")

register(
    DataSet(
        id="op2-demo",
        label="OP2 demo (simulated)",
        kind=PERTURBATION,
        help="A simulation with the competition's real design: its compounds, pairs, splits, gene "
        "symbols and column order. No value in it was measured.",
        organism="human",
        shape="869 pairs × 18,211 genes",
        size_mb=0,
        licence="BSD-3-Clause (simulation); design facts CC BY 4.0",
        citation=CITATION,
        homepage="",
        provider=Simulation("core.data.simulation", "simulate_op2", {"seed": 0}),
        simulated=True,
        expected={"n_rows": 869, "n_vars": 18211, "obs": DESCRIBED},
        note="Simulated: for learning the app and for tests whose truth is known.",
    )
)

register(
    DataSet(
        id="op2",
        label="OP2 competition, train and test truth",
        kind=PERTURBATION,
        help="Signed −log10 p of 18,211 genes in pairs of a blood cell type and a compound, 24 h; "
        "with the leaderboard's public and private rows and their truth.",
        organism="human",
        shape="869 pairs × 18,211 genes",
        size_mb=761,
        licence="CC BY 4.0",
        citation=CITATION,
        homepage=HOMEPAGE,
        provider=Urls(
            {
                "train": RemoteFile(f"{UPLOAD}/2023-09-12_de_by_cell_type_train.h5ad"),
                "test": RemoteFile(f"{UPLOAD}/2023-09-12_de_by_cell_type_test.h5ad"),
            }
        ),
        reader=read_op2,
        expected={"n_rows": 869, "n_vars": 18211, "obs": DESCRIBED},
        note="614 training, 100 public and 155 private test pairs.",
    )
)

register(
    DataSet(
        id="op2-scape",
        label="OP2 competition, ScAPE's copy",
        kind=PERTURBATION,
        help="The competition's training table as ScAPE's authors keep it; the test pairs are "
        "listed, their responses are not in it.",
        organism="human",
        shape="614 pairs × 18,211 genes",
        size_mb=200,
        licence="CC BY 4.0",
        citation=CITATION + " Copy: Zenodo record 10617221.",
        homepage="https://zenodo.org/records/10617221",
        provider=Urls(
            {
                "zip": RemoteFile(
                    "https://zenodo.org/records/10617221/files/scape-data.zip?download=1"
                )
            }
        ),
        reader=read_scape,
        expected={"n_rows": 614, "n_vars": 18211},
        size_estimated=True,
    )
)

register(
    DataSet(
        id="op2-single-cells",
        label="OP2 single cells",
        kind=CELLS,
        help="Counts of the perturbed PBMC from which the competition's table was made, with the "
        "authors' later annotation.",
        organism="human",
        shape="about 300,000 cells",
        size_mb=3515,
        licence="CC BY 4.0",
        citation=CITATION,
        homepage=HOMEPAGE,
        provider=Urls({"cells": RemoteFile(f"{BUCKET}/sc_counts_reannotated_with_counts.h5ad")}),
        reader=read_cells,
        expected={"obs": ("cell_type", "sm_name")},
        note="Preparing it reads all counts into memory: have 16 GB free.",
    )
)
