"""Pancreatic islets: the five studies of the usual integration benchmark."""

from __future__ import annotations

from core.data.providers.url import RemoteFile, Urls
from core.data.providers.wheel import WheelFile
from core.data.readers.h5ad import read_baron_packed
from core.data.readers.islets import (
    read_baron_geo,
    read_grun,
    read_lawlor,
    read_muraro,
    read_segerstolpe,
)
from core.data.registry import CELLS, DataSet, register

GEO = "https://ftp.ncbi.nlm.nih.gov/geo/series"
ACCESSION = "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc="
GEO_LICENCE = "public in GEO; no licence stated"
BARON = (
    "Baron M. et al. A single-cell transcriptomic map of the human and mouse pancreas reveals "
    "inter- and intra-cell population structure. Cell Systems 3, 346–360 (2016); GSE84133."
)
BARON_TAR = RemoteFile(f"{GEO}/GSE84nnn/GSE84133/suppl/GSE84133_RAW.tar")
CAME_SHA256 = "7fdb1a65006ca668e0cab51576a09bf540f074346e5f120ec654cd4f91627f7d"
LABELS = ("cell_type", "donor", "batch")


def _packed(inner: str) -> WheelFile:
    return WheelFile("came", "0.1.13", CAME_SHA256, "came/sample_data.zip", inner)


register(
    DataSet(
        id="baron-mouse",
        label="Baron islets, mouse",
        kind=CELLS,
        help="Islets of two mice by inDrop, raw counts, complete; the donors are the batches.",
        organism="mouse",
        shape="1,886 cells × 14,877 genes",
        size_mb=16.1,
        licence="MIT (as packed in came)",
        citation=BARON,
        homepage=f"{ACCESSION}GSE84133",
        provider=_packed("raw-Baron_mouse.h5ad"),
        reader=read_baron_packed,
        expected={"n_rows": 1886, "n_vars": 14877, "obs": LABELS},
        note="Through pip, so it is there wherever pip is.",
    )
)

register(
    DataSet(
        id="baron-human",
        label="Baron islets, human (a quarter of the cells)",
        kind=CELLS,
        help="Islets of four human donors by inDrop, raw counts; a 25 % subsample of the study.",
        organism="human",
        shape="2,142 cells × 20,125 genes",
        size_mb=16.1,
        licence="MIT (as packed in came)",
        citation=BARON,
        homepage=f"{ACCESSION}GSE84133",
        provider=_packed("raw-Baron_human.h5ad"),
        reader=read_baron_packed,
        expected={"n_rows": 2142, "n_vars": 20125, "obs": LABELS},
        note="2,142 of the study's 8,569 cells; 'baron-geo-human' has them all.",
    )
)

for _species, _cells, _genes, _donors in (
    ("human", 8569, 20125, "four human donors"),
    ("mouse", 1886, 14878, "two mice"),
):
    register(
        DataSet(
            id=f"baron-geo-{_species}",
            label=f"Baron islets, {_species} (GEO)",
            kind=CELLS,
            help=f"Islets of {_donors} by inDrop, raw counts, from GEO's own files.",
            organism=_species,
            shape=f"{_cells:,} cells × {_genes:,} genes",
            size_mb=55,
            licence=GEO_LICENCE,
            citation=BARON,
            homepage=f"{ACCESSION}GSE84133",
            provider=Urls({"tar": BARON_TAR}),
            reader=read_baron_geo(_species),
            expected={"n_rows": _cells, "n_vars": _genes, "obs": LABELS},
            size_estimated=True,
        )
    )

register(
    DataSet(
        id="grun",
        label="Grün islets (CEL-seq)",
        kind=CELLS,
        help="Human pancreas by CEL-seq, five donors; cell types are not in the file.",
        organism="human",
        shape="about 1,700 cells",
        size_mb=8,
        licence=GEO_LICENCE,
        citation="Grün D. et al. De novo prediction of stem cell identity using single-cell "
        "transcriptome data. Cell Stem Cell 19, 266–277 (2016); GSE81076.",
        homepage=f"{ACCESSION}GSE81076",
        provider=Urls(
            {"counts": RemoteFile(f"{GEO}/GSE81nnn/GSE81076/suppl/GSE81076_D2_3_7_10_17.txt.gz")}
        ),
        reader=read_grun,
        expected={"obs": ("donor", "batch")},
        note="Counts are corrected for the number of barcodes, so they are not whole numbers.",
        size_estimated=True,
    )
)

register(
    DataSet(
        id="muraro",
        label="Muraro islets (CEL-seq2)",
        kind=CELLS,
        help="Human pancreas by CEL-seq2, four donors; cell types are not in the file.",
        organism="human",
        shape="3,072 cells",
        size_mb=21,
        licence=GEO_LICENCE,
        citation="Muraro M. J. et al. A single-cell transcriptome atlas of the human pancreas. "
        "Cell Systems 3, 385–394 (2016); GSE85241.",
        homepage=f"{ACCESSION}GSE85241",
        provider=Urls(
            {
                "counts": RemoteFile(
                    f"{GEO}/GSE85nnn/GSE85241/suppl/"
                    "GSE85241_cellsystems_dataset_4donors_updated.csv.gz"
                )
            }
        ),
        reader=read_muraro,
        expected={"n_rows": 3072, "obs": ("donor", "batch")},
        note="Counts are corrected for the number of barcodes, so they are not whole numbers.",
        size_estimated=True,
    )
)

register(
    DataSet(
        id="lawlor",
        label="Lawlor islets (SMARTer, C1)",
        kind=CELLS,
        help="Islets of healthy and type 2 diabetic donors by SMARTer on Fluidigm C1; Ensembl ids.",
        organism="human",
        shape="638 cells × 26,616 genes",
        size_mb=14,
        licence=GEO_LICENCE,
        citation="Lawlor N. et al. Single-cell transcriptomes identify human islet cell signatures "
        "and reveal cell-type-specific expression changes in type 2 diabetes. Genome Research 27, "
        "208–222 (2017); GSE86469.",
        homepage=f"{ACCESSION}GSE86469",
        provider=Urls(
            {
                "counts": RemoteFile(
                    f"{GEO}/GSE86nnn/GSE86469/suppl/"
                    "GSE86469_GEO.islet.single.cell.processed.data.RSEM.raw.expected.counts.csv.gz"
                ),
                "series": RemoteFile(
                    f"{GEO}/GSE86nnn/GSE86469/matrix/GSE86469_series_matrix.txt.gz"
                ),
            }
        ),
        reader=read_lawlor,
        expected={"n_rows": 638, "obs": LABELS},
        note="Expected counts of RSEM, so they are not whole numbers.",
        size_estimated=True,
    )
)

register(
    DataSet(
        id="segerstolpe",
        label="Segerstolpe islets (Smart-seq2)",
        kind=CELLS,
        help="Islets of healthy and type 2 diabetic donors by Smart-seq2, read counts.",
        organism="human",
        shape="3,514 cells × 26,178 genes",
        size_mb=150,
        licence="EMBL-EBI terms of use",
        citation="Segerstolpe Å. et al. Single-cell transcriptome profiling of human pancreatic "
        "islets in health and type 2 diabetes. Cell Metabolism 24, 593–607 (2016); E-MTAB-5061.",
        homepage="https://www.ebi.ac.uk/biostudies/arrayexpress/studies/E-MTAB-5061",
        provider=Urls(
            {
                "counts": RemoteFile(
                    "https://www.ebi.ac.uk/arrayexpress/files/E-MTAB-5061/"
                    "E-MTAB-5061.processed.1.zip"
                ),
                "sdrf": RemoteFile(
                    "https://www.ebi.ac.uk/arrayexpress/files/E-MTAB-5061/E-MTAB-5061.sdrf.txt"
                ),
            }
        ),
        reader=read_segerstolpe,
        expected={"n_rows": 3514, "obs": LABELS},
        note="Leave out low-quality wells by obs['well_quality'].",
        size_estimated=True,
    )
)
