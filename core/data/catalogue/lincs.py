"""LINCS L1000 drug signatures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.data.providers.local import SharedFile
from core.data.readers.competition import read_parquet
from core.data.registry import PERTURBATION, DataSet, RawTable, register
from core.progress import OnProgress


def read_consensus(files: Mapping[str, Path], on_progress: OnProgress) -> RawTable:
    """Consensus signatures, one row a drug: DrugBank id, name, SMILES, InChIKey, 978 z-scores."""
    (path,) = files.values()
    on_progress(0, 0, f"Reading {path.name}")
    return RawTable(read_parquet(path), target="z-score")


register(
    DataSet(
        id="l1000-consensus",
        label="LINCS L1000 consensus signatures",
        kind=PERTURBATION,
        help="Consensus z-scores of the 978 landmark genes for drugs, joined over cell lines and "
        "doses; drugs without a structure are left out.",
        organism="human",
        shape="984 pairs × 978 genes",
        size_mb=0,
        licence="CC BY 4.0 (LINCS); names via DrugBank CC BY-NC 4.0",
        citation="Subramanian A. et al. A next generation connectivity map: L1000 platform and the "
        "first 1,000,000 profiles. Cell 171, 1437–1452 (2017); consensus by Himmelstein D., "
        "dhimmel/lincs.",
        homepage="https://github.com/dhimmel/lincs",
        provider=SharedFile("data/l1000_consensus.parquet"),
        reader=read_consensus,
        expected={"n_rows": 984, "n_vars": 978, "obs": ("inchikey",)},
        note="One pseudo cell type; a few rows have very large norms. Read from a file that you have; "
        "any other copy can be imported.",
    )
)
