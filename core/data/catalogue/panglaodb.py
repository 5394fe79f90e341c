"""Samples of PanglaoDB; another sample is one more line of :data:`SAMPLES`."""

from __future__ import annotations

from core.data.providers.url import RemoteFile, Urls
from core.data.readers.r_objects import read_panglaodb
from core.data.registry import CELLS, DataSet, register

#: SRA and SRS accession, organism, tissue, published number of cells.
SAMPLES = (
    ("SRA553822", "SRS2119548", "human", "cultured embryonic stem cells", 6501),
    ("SRA570744", "SRS2253536", "mouse", "lung mesenchyme", 4611),
    ("SRA598936", "SRS2428405", "human", "kidney cortex", 3759),
    # The tissues of 'Predicting GEx from L1000 genes and beyond', which names no accessions.
    ("SRA703206", "SRS3296611", "human", "colon", 4826),
    ("SRA703206", "SRS3296612", "human", "colon", 6476),
    ("SRA742961", "SRS3565195", "human", "prostate", 6101),
    ("SRA742961", "SRS3565196", "human", "prostate", 7789),
)

for _sra, _srs, _organism, _tissue, _cells in SAMPLES:
    register(
        DataSet(
            id=f"panglaodb-{_srs.lower()}",
            label=f"PanglaoDB {_srs}: {_tissue}",
            kind=CELLS,
            help=f"Read counts of one 10x sample ({_organism}, {_tissue}) as PanglaoDB aligned it.",
            organism=_organism,
            shape=f"about {_cells:,} cells",
            size_mb=40,
            licence="not stated; cite PanglaoDB",
            citation="Franzén O., Gan L.-M., Björkegren J. L. M. PanglaoDB: a web server for "
            "exploration of mouse and human single-cell RNA sequencing data. Database 2019, "
            f"baz046; {_sra}, {_srs}.",
            homepage="https://panglaodb.se",
            provider=Urls(
                {
                    "sample": RemoteFile(
                        f"https://panglaodb.se/data_dl.php?sra={_sra}&srs={_srs}"
                        "&filetype=R&datatype=readcounts",
                        filename=f"{_sra}_{_srs}.sparse.RData",
                    )
                }
            ),
            reader=read_panglaodb,
            note="The site is often down: a sample's .RData file can be imported as well.",
            size_estimated=True,
        )
    )
