"""Blood and bone marrow."""

from __future__ import annotations

from core.data.providers.local import AssetFile, PackageFile
from core.data.providers.url import RemoteFile, Urls
from core.data.readers.h5ad import read_bone_marrow, read_pbmc68k
from core.data.readers.r_objects import read_granja
from core.data.registry import CELLS, DataSet, register

GRANJA = "https://jeffgranja.s3.amazonaws.com/MPAL-10x/Supplementary_Data"

register(
    DataSet(
        id="bone-marrow-aml",
        label="Bone marrow, healthy and acute myeloid leukaemia",
        kind=CELLS,
        help="A sample of bone marrow cells of healthy donors (527) and of patients with acute "
        "myeloid leukaemia (473; AML, not MPAL), with CD69; carried by the app.",
        organism="human",
        shape="1,000 cells × 1,000 genes",
        size_mb=0,
        licence="CC BY 4.0",
        citation="Zheng G. X. Y. et al. Massively parallel digital transcriptional profiling of "
        "single cells. Nature Communications 8, 14049 (2017); as sampled in orange3-singlecell "
        "1.7.6.",
        homepage="https://doi.org/10.1038/ncomms14049",
        provider=AssetFile("bone_marrow_aml_healthy.h5ad"),
        reader=read_bone_marrow,
        expected={"n_rows": 1000, "n_vars": 1000, "obs": ("Type", "Cluster", "condition")},
        note="Values are log2(1 + x) of scaled reads already and are not normalised again; only "
        "1,000 genes, no raw counts; the clusters are the source's, not cell types.",
    )
)

register(
    DataSet(
        id="pbmc68k",
        label="PBMC 68k, reduced",
        kind=CELLS,
        help="700 of 68,000 blood cells of one donor and 765 variable genes, log-normalised, with "
        "cell types; carried by scanpy.",
        organism="human",
        shape="700 cells × 765 genes",
        size_mb=0,
        licence="CC BY 4.0",
        citation="Zheng G. X. Y. et al. Massively parallel digital transcriptional profiling of "
        "single cells. Nature Communications 8, 14049 (2017).",
        homepage="https://scanpy.readthedocs.io/en/stable/generated/"
        "scanpy.datasets.pbmc68k_reduced.html",
        provider=PackageFile("scanpy", "datasets/10x_pbmc68k_reduced.h5ad"),
        reader=read_pbmc68k,
        expected={"n_rows": 700, "n_vars": 765, "obs": ("cell_type",)},
        note="Log-normalised and reduced to variable genes: no raw counts.",
    )
)

register(
    DataSet(
        id="granja2019",
        label="Healthy blood and mixed-phenotype acute leukaemia",
        kind=CELLS,
        help="Bone marrow and blood of healthy donors and of MPAL patients, counts: the comparison "
        "in which CD69 stands out.",
        organism="human",
        shape="about 53,000 cells × 20,287 genes",
        size_mb=700,
        licence="public in GEO; no licence stated",
        citation="Granja J. M. et al. Single-cell multiomic analysis identifies regulatory "
        "programs in mixed-phenotype acute leukemia. Nature Biotechnology 37, 1458–1465 (2019); "
        "GSE139369.",
        homepage="https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc=GSE139369",
        provider=Urls(
            {
                "all": RemoteFile(
                    f"{GRANJA}/Healthy-Disease-Data/scRNA-All-Hematopoiesis-MPAL-191120.rds",
                    checksum="md5:842087f34da9f9201dc47bb069fcebb2",
                ),
                "healthy": RemoteFile(
                    f"{GRANJA}/Healthy-Data/scRNA-Healthy-Hematopoiesis-191120.rds"
                ),
            }
        ),
        reader=read_granja,
        expected={"obs": ("cell_type", "condition", "batch")},
        note="The authors' processed R objects; preparing it needs 16 GB of memory.",
        size_estimated=True,
    )
)
