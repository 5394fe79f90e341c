"""The steps as a scanpy script that runs without this project."""

from __future__ import annotations

from core.data.preprocessing.config import Preprocessing
from core.data.preprocessing.quality import MITO_ENSEMBL

_HEAD = '''"""{title}

Written by PerturbScope; needs scanpy. Run: python {name} INPUT.h5ad OUTPUT.h5ad
"""

import re
import sys

import numpy as np
import scanpy as sc
from scipy import sparse

source, target = sys.argv[1:3]
adata = sc.read_h5ad(source)

# Raw counts: the layer "counts" where there is one, else X.
counts = adata.layers["counts"] if "counts" in adata.layers else adata.X
adata.X = sparse.csr_matrix(counts, dtype=np.float32)
adata.raw = None
'''
_TAIL = """
adata.write_h5ad(target)
print(f"{adata.n_obs:,} cells x {adata.n_vars:,} genes written to {target}")
"""
_MITO = """
# Mitochondrial genes: MT- in human, mt- in mouse; else the Ensembl ids of the protein-coding 13.
def is_mito(names):
    return np.array([bool(re.match(r"mt[-.]", str(n), re.IGNORECASE)) for n in names])


SYMBOLS = ("gene_symbols", "gene_symbol", "gene_name", "gene_names", "feature_name", "symbol",
           "gene_short_name")
mito = is_mito(adata.var_names)
for column in SYMBOLS:
    if not mito.any() and column in adata.var:
        mito = is_mito(adata.var[column])
if not mito.any():
    ids = {ids}
    names = adata.var["gene_ids"] if "gene_ids" in adata.var else adata.var_names
    mito = np.array([str(n).split(".")[0] in ids for n in names])
"""
_GENES = """
# Genes with at least {reads} read(s) in at least {cells} cell(s)
n_cells = np.asarray((adata.X >= {reads}).sum(axis=0)).ravel()
adata = adata[:, n_cells >= {cells}].copy()
"""
_QUALITY = """
# Quality of each cell
total = np.asarray(adata.X @ np.ones(adata.n_vars)).ravel()
adata.obs["counts"] = total
adata.obs["genes"] = np.asarray((adata.X != 0).sum(axis=1)).ravel()
"""
_BALANCE = """
# At most {most} cells of each group of {key!r}, at random
groups = adata.obs[{key!r}].astype(str).to_numpy()
names, sizes = np.unique(groups, return_counts=True)
most = {most_code}
rng = np.random.default_rng({seed})
chosen = []
for name in names:
    members = np.flatnonzero(groups == name)
    chosen.append(members if len(members) <= most else rng.choice(members, most, replace=False))
adata = adata[np.sort(np.concatenate(chosen))].copy()
"""
_HIGHEST = """
# The {n} genes of highest mean expression
means = np.asarray(adata.X.sum(axis=0, dtype=np.float64)).ravel() / adata.n_obs
adata.var["highly_variable"] = False
order = np.argsort(-means, kind="stable")[:{n}]
adata.var.iloc[order, adata.var.columns.get_loc("highly_variable")] = True
"""
_CUTS = (
    ("min_counts", 'adata.obs["counts"] >= {0}'),
    ("max_counts", 'adata.obs["counts"] <= {0}'),
    ("min_genes", 'adata.obs["genes"] >= {0}'),
    ("max_genes", 'adata.obs["genes"] <= {0}'),
)


def scanpy_script(config: Preprocessing, *, title: str = "Preprocessing of cells") -> str:
    """A Python script that does to an h5ad file what :func:`preprocess` does.

    Parameters
    ----------
    title
        One line for the script's head.

    Returns
    -------
    str
        Takes the paths of input and output; needs scanpy only.
    """
    clean = title.replace("\\", "/").replace('"', "'").splitlines()
    parts = [_HEAD.replace("{title}", clean[0] if clean else "").replace("{name}", "preprocess.py")]
    if config.max_mito is not None:
        parts.append(_MITO.replace("{ids}", "{" + ", ".join(map(repr, sorted(MITO_ENSEMBL))) + "}"))
        parts.append('adata.var["mito"] = mito\n')
    genes = (
        ""
        if config.gene_min_cells is None
        else _GENES.format(reads=config.gene_min_reads, cells=config.gene_min_cells)
    )
    cells = _cells(config)
    parts += [genes, cells] if config.genes_first else [cells, genes]
    parts.append('\n# Raw counts are kept\nadata.layers["counts"] = adata.X.copy()\n')
    target = "None" if config.target_sum is None else repr(config.target_sum)
    parts.append(f"sc.pp.normalize_total(adata, target_sum={target})\n")
    if config.log:
        parts.append("sc.pp.log1p(adata)\n")
    parts.append(_variable(config))
    parts.append(_TAIL)
    return "".join(parts)


def _cells(config: Preprocessing) -> str:
    text = _QUALITY
    cuts = [
        rule.format(getattr(config, field))
        for field, rule in _CUTS
        if getattr(config, field) is not None
    ]
    if config.max_mito is not None:
        text += (
            'on_mito = np.asarray(adata.X @ adata.var["mito"].to_numpy().astype(float)).ravel()\n'
            "with np.errstate(invalid='ignore', divide='ignore'):\n"
            '    adata.obs["mito_percent"] = 100 * on_mito / total\n'
        )
        cuts.append(f'~(adata.obs["mito_percent"] > {config.max_mito}) | ~adata.var["mito"].any()')
    if cuts:
        joined = "\n    & ".join(f"({cut})" for cut in cuts)
        text += f"keep = (\n    {joined}\n)\nadata = adata[keep.to_numpy()].copy()\n"
    if config.balance_key is not None:
        most = config.max_per_group
        text += _BALANCE.format(
            most=most or "as many as the smallest group has",
            key=config.balance_key,
            most_code=most or "sizes.min()",
            seed=config.seed,
        )
    return text


def _variable(config: Preprocessing) -> str:
    if config.n_hvg is None:
        return ""
    n = f"min({config.n_hvg}, adata.n_vars)"
    if config.hvg_flavor == "highest expressed":
        text = _HIGHEST.replace("# The {n}", f"# The {config.n_hvg}").replace("{n}", n)
    else:
        batch = "" if config.hvg_batch_key is None else f", batch_key={config.hvg_batch_key!r}"
        text = (
            f"sc.pp.highly_variable_genes(adata, n_top_genes={n}, "
            f"flavor={config.hvg_flavor!r}{batch})\n"
        )
    if config.hvg_only:
        text += 'adata = adata[:, adata.var["highly_variable"].to_numpy()].copy()\n'
    return text
