"""The public human and mouse pancreas studies, each in the layout its authors published."""

from __future__ import annotations

import csv
import gzip
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.faults import first_line
from core.data.providers.archives import extract_member, extract_tar, find_member
from core.data.readers.delimited import MAX_LINE, detect
from core.errors import DataError
from core.progress import OnProgress

if TYPE_CHECKING:
    from anndata import AnnData

#: Genes read at a time, so that a dense block stays small.
CHUNK = 1000
SPIKE_IN = re.compile(r"ERCC[-_]\d+", re.IGNORECASE)
CHROMOSOME = re.compile(r"__chr\w+$")
#: Donors of GSE81076, longest first: plate numbers follow without a separator (``D101_5``).
GRUN_DONORS = re.compile(r"(D10|D17|D2|D3|D7)")
MURARO_PLATE = re.compile(r"((D\d+)[-.]\d+)")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what a damaged text file raises into one sentence."""
    try:
        yield
    except (EOFError, OSError, zlib.error, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(
            f"The file {path.name} is cut short or damaged: {first_line(error)}."
        ) from error
    except ValueError as error:
        raise DataError(
            f"The file {path.name} holds text where counts are: {first_line(error)}."
        ) from error


def _anndata(matrix: Any, obs: pd.DataFrame, genes: Sequence[str], **var: Any) -> AnnData:
    import anndata

    return anndata.AnnData(
        X=sparse.csr_matrix(matrix, dtype=np.float32),
        obs=obs,
        var=pd.DataFrame(var, index=pd.Index(list(genes))),
    )


def genes_by_cells(path: Path) -> tuple[sparse.csr_matrix, list[str], list[str]]:
    """Counts of a delimited genes × cells table: CSR ``(n_cells, n_genes)``, cells, genes.

    The header may name the gene column or, as R writes, leave it out.
    """
    dialect = detect(path)
    opener: Callable[..., Any] = gzip.open if dialect.gzipped else open
    with _readable(path), opener(path, "rt", encoding=dialect.encoding, newline="") as file:
        csv.field_size_limit(MAX_LINE)
        lines = csv.reader(file, delimiter=dialect.separator)
        header, row = next(lines), next(lines, None)
    if row is None:
        raise DataError(f"The file {path.name} has a header but no genes.")
    if len(row) not in (len(header), len(header) + 1):
        raise DataError(
            f"Line 2 of {path.name} has {len(row)} fields where the header has {len(header)}."
        )
    names = header if len(row) == len(header) + 1 else header[1:]
    blocks, genes = [], []
    with _readable(path):
        chunks = pd.read_csv(
            path,
            sep=dialect.separator,
            encoding=dialect.encoding,
            compression="gzip" if dialect.gzipped else None,
            header=None,
            skiprows=1,
            index_col=0,
            chunksize=CHUNK,
            keep_default_na=False,
        )
        for chunk in chunks:
            genes += [str(gene) for gene in chunk.index]
            blocks.append(sparse.csr_matrix(chunk.to_numpy(dtype=np.float32)))
    return sparse.vstack(blocks).T.tocsr(), names, genes


def _without_spikes(
    matrix: sparse.csr_matrix, genes: list[str]
) -> tuple[sparse.csr_matrix, list[str], np.ndarray]:
    """Genes without ERCC spike-ins, and each cell's total of spike-ins."""
    spike = np.array([bool(SPIKE_IN.match(gene)) for gene in genes], dtype=bool)
    total = np.asarray(matrix[:, spike].sum(axis=1)).ravel()
    kept = [gene for gene, is_spike in zip(genes, spike, strict=True) if not is_spike]
    return matrix[:, ~spike], kept, total


def _celseq(path: Path, batch: Callable[[str], tuple[str, str]]) -> AnnData:
    """CEL-seq tables of the van Oudenaarden lab: genes ``SYMBOL__chrN``, donors in cell names."""
    matrix, names, genes = genes_by_cells(path)
    matrix, genes, spikes = _without_spikes(matrix, genes)
    pairs = [batch(name) for name in names]
    obs = pd.DataFrame(
        {
            "donor": [donor for donor, _ in pairs],
            "plate": [plate for _, plate in pairs],
            "batch": [donor for donor, _ in pairs],
            "spike_in_total": spikes,
        },
        index=pd.Index(names),
    )
    symbols = [CHROMOSOME.sub("", gene) for gene in genes]
    chromosomes = [match[0][2:] if (match := CHROMOSOME.search(gene)) else "" for gene in genes]
    return _anndata(matrix, obs, symbols, chromosome=chromosomes)


def read_grun(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """Grün et al. 2016, GSE81076: CEL-seq, donors D2, D3, D7, D10, D17; no cell types."""
    (path,) = files.values()
    on_progress(0, 0, f"Reading {path.name}")

    def batch(name: str) -> tuple[str, str]:
        match = GRUN_DONORS.match(name)
        return (match[0] if match else "unknown"), name.rsplit("_", 1)[0]

    return _celseq(path, batch)


def read_muraro(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """Muraro et al. 2016, GSE85241: CEL-seq2, donors D28 to D31; no cell types."""
    (path,) = files.values()
    on_progress(0, 0, f"Reading {path.name}")

    def batch(name: str) -> tuple[str, str]:
        match = MURARO_PLATE.match(name)
        return (match[2], match[1]) if match else ("unknown", "unknown")

    return _celseq(path, batch)


def series_matrix(path: Path) -> pd.DataFrame:
    """Descriptions of a GEO series matrix, one row a sample, indexed by the sample's title.

    ``!Sample_characteristics_ch1`` lines of the form ``name: value`` become columns.
    """
    opener: Callable[..., Any] = gzip.open if path.name.endswith(".gz") else open
    titles: list[str] = []
    columns: dict[str, list[str]] = {}
    with _readable(path), opener(path, "rt", encoding="utf-8", errors="replace") as file:
        for line in csv.reader(file, delimiter="\t"):
            if not line:
                continue
            if line[0] == "!Sample_title":
                titles = line[1:]
            elif line[0] == "!Sample_characteristics_ch1":
                name = line[1].partition(":")[0].strip()
                columns[name] = [value.partition(":")[2].strip() for value in line[1:]]
            elif line[0] == "!series_matrix_table_begin":
                break
    if not titles:
        raise DataError(f"The file {path.name} is no GEO series matrix: it has no sample titles.")
    return pd.DataFrame(columns, index=pd.Index(titles))


def read_lawlor(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """Lawlor et al. 2017, GSE86469: SMARTer on C1, expected counts of RSEM, Ensembl ids.

    Cell type, donor and disease come from the series matrix, whose titles are the cells' names.
    """
    on_progress(0, 0, f"Reading {files['counts'].name}")
    matrix, names, genes = genes_by_cells(files["counts"])
    matrix, genes, spikes = _without_spikes(matrix, genes)
    obs = pd.DataFrame({"spike_in_total": spikes}, index=pd.Index(names))
    described = series_matrix(files["series"]).reindex(obs.index)
    wanted = {"cell type": "cell_type", "islet unos id": "donor", "disease": "disease"}
    for source, name in wanted.items():
        if source in described:
            obs[name] = described[source].fillna("unknown")
    if "donor" in obs:
        obs["batch"] = obs["donor"]
    return _anndata(matrix, obs, genes)


def read_segerstolpe(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
    """Segerstolpe et al. 2016, E-MTAB-5061: Smart-seq2 counts and the SDRF's descriptions.

    The table's first line, ``#samples``, names the cells once; each gene then has its symbol,
    its RefSeq ids, one RPKM a cell, and one count a cell. Only counts are read.
    """
    archive = files["counts"]
    on_progress(0, 0, f"Unpacking {archive.name}")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".unpack-") as folder:
        path = archive
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                name = find_member(
                    file.namelist(), "pancreas_refseq_rpkms_counts_3514sc.txt", archive
                )
            path = extract_member(archive, name, Path(folder))
        on_progress(0, 0, f"Reading {path.name}")
        matrix, names, genes = _rpkms_then_counts(path)
    matrix, genes, spikes = _without_spikes(matrix, genes)
    keep = np.array([gene != "eGFP" for gene in genes])
    obs = pd.DataFrame({"spike_in_total": spikes}, index=pd.Index(names))
    for name, column in _sdrf(files["sdrf"], obs.index).items():
        obs[name] = column
    genes = [gene for gene, kept in zip(genes, keep, strict=True) if kept]
    return _anndata(matrix[:, keep], obs, genes)


def _rpkms_then_counts(path: Path) -> tuple[sparse.csr_matrix, list[str], list[str]]:
    with _readable(path), path.open(encoding="utf-8") as file:
        names = file.readline().rstrip("\r\n").split("\t")
        fields = file.readline().rstrip("\r\n").split("\t")
    if not names[0].lstrip().startswith("#"):
        raise DataError(f"The first line of {path.name} does not begin with '#samples'.")
    names = names[1:]
    if len(fields) != 2 + 2 * len(names):
        raise DataError(
            f"{path.name} has {len(fields)} fields a gene where {2 + 2 * len(names)} are needed: "
            f"symbol, ids, then an RPKM and a count for each of {len(names)} cells."
        )
    counts = [0, *range(2 + len(names), len(fields))]
    blocks, genes = [], []
    with _readable(path):
        chunks = pd.read_csv(
            path,
            sep="\t",
            header=None,
            skiprows=1,
            usecols=counts,
            chunksize=CHUNK,
            keep_default_na=False,
        )
        for chunk in chunks:
            genes += [str(gene) for gene in chunk.iloc[:, 0]]
            blocks.append(sparse.csr_matrix(chunk.iloc[:, 1:].to_numpy(dtype=np.float32)))
    return sparse.vstack(blocks).T.tocsr(), names, genes


def _sdrf(path: Path, cells: pd.Index) -> dict[str, np.ndarray]:
    """Cell type, donor, disease and well quality of a MAGE-TAB sample table, by cell."""
    with _readable(path):
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    by_normal = {re.sub(r"[\s_]+", "", str(name)).lower(): name for name in table.columns}
    key = next((by_normal[n] for n in ("extractname", "sourcename") if n in by_normal), None)
    if key is None:
        raise DataError(f"The sample table {path.name} has no column 'Extract Name'.")
    table = table.drop_duplicates(key).set_index(key).reindex(cells)
    wanted = {
        "celltype": "cell_type",
        "individual": "donor",
        "disease": "disease",
        "singlecellwellquality": "well_quality",
    }
    found = {
        name: table[by_normal[f"characteristics[{source}]"]].fillna("unknown").to_numpy()
        for source, name in wanted.items()
        if f"characteristics[{source}]" in by_normal
    }
    if "donor" in found:
        found["batch"] = found["donor"]
    return found


def read_baron_geo(species: str) -> Callable[[Mapping[str, Path], OnProgress], AnnData]:
    """Reader of one species of GSE84133, ``"human"`` or ``"mouse"``.

    The tar holds one ``GSM…_<donor>_umifm_counts.csv.gz`` a donor: cell name, barcode,
    assigned_cluster, then one column a gene.
    """

    def read(files: Mapping[str, Path], on_progress: OnProgress) -> AnnData:
        (archive,) = files.values()
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".unpack-") as folder:
            on_progress(0, 0, f"Unpacking {archive.name}")
            tables = extract_tar(archive, "_umifm_counts.csv.gz", Path(folder))
            tables = [path for path in tables if f"_{species}" in path.name]
            if not tables:
                raise DataError(f"The archive {archive.name} has no counts of {species} donors.")
            parts = []
            for done, path in enumerate(tables):
                on_progress(done, len(tables), f"Reading {path.name}")
                parts.append(_baron_donor(path))
        genes = parts[0][2]
        for path, (_, _, others) in zip(tables, parts, strict=True):
            if others != genes:
                raise DataError(f"{path.name} has other genes than {tables[0].name}.")
        matrix = sparse.vstack([part[0] for part in parts])
        return _anndata(matrix, pd.concat([part[1] for part in parts]), genes)

    return read


def _baron_donor(path: Path) -> tuple[sparse.csr_matrix, pd.DataFrame, list[str]]:
    match = re.search(r"GSM\d+_(.+)_umifm_counts", path.name)
    with _readable(path):
        frame = pd.read_csv(path, index_col=0, low_memory=False)
    for column in ("barcode", "assigned_cluster"):
        if column not in frame:
            raise DataError(f"The table {path.name} has no column '{column}'.")
    genes = frame.columns.drop(["barcode", "assigned_cluster"])
    obs = pd.DataFrame(
        {
            "barcode": frame["barcode"].astype(str),
            "cell_type": frame["assigned_cluster"].astype(str),
            "donor": match[1] if match else path.name,
            "batch": match[1] if match else path.name,
        },
        index=pd.Index(frame.index.astype(str)),
    )
    with _readable(path):
        counts = sparse.csr_matrix(frame[genes].to_numpy(dtype=np.float32))
    return counts, obs, [str(gene) for gene in genes]
