"""Which published figures a run may stand beside: same rows, same genes, same definition."""

from __future__ import annotations

from collections.abc import Mapping

from core.data.table import PRIVATE_TEST, PUBLIC_TEST

#: The real competition table, whole.
DATASET, N_GENES = "op2", 18_211
#: Benchmark of ``core.data.facts.known_results`` → the split it scored and its number of rows.
LEADERBOARDS = {"kaggle-private": (PRIVATE_TEST, 155), "kaggle-public": (PUBLIC_TEST, 100)}


def comparable(
    *, dataset: str | None, simulated: bool | None, n_genes: int, scored: Mapping[str, int]
) -> dict[str, str]:
    """Benchmarks whose published figures compare with a run's scores.

    Only the leaderboards of the competition do, and only on the real table with all its genes
    and with every row that the leaderboard scored: predictions are scored unclipped against the
    test truth, as Kaggle did. The Open Problems re-run of that benchmark clips its targets and
    keeps 5,317 to 5,319 genes, so no run here compares with it.

    Parameters
    ----------
    dataset
        The run's data set.
    simulated
        Whether its values were simulated.
    n_genes
        Genes that were predicted.
    scored
        Number of scored rows of each split.

    Returns
    -------
    dict
        Benchmark → split whose score stands beside it; empty where nothing compares.
    """
    if dataset != DATASET or simulated is not False or n_genes != N_GENES:
        return {}
    return {
        benchmark: split
        for benchmark, (split, n_rows) in LEADERBOARDS.items()
        if scored.get(split) == n_rows
    }


def reason(
    *, dataset: str | None, simulated: bool | None, n_genes: int, scored: Mapping[str, int]
) -> str:
    """Why no published figure compares, in one sentence; empty where some do."""
    if comparable(dataset=dataset, simulated=simulated, n_genes=n_genes, scored=scored):
        return ""
    if simulated is not False:
        return "Published figures do not apply: this data is simulated."
    if dataset != DATASET:
        return f"Published figures do not apply: they were scored on '{DATASET}', not '{dataset}'."
    if n_genes != N_GENES:
        return (
            f"Published figures do not apply: they cover {N_GENES:,} genes, this run {n_genes:,}."
        )
    return (
        "Published figures do not apply: this run has no scores on the leaderboard's 155 private "
        "or 100 public rows (it needs the test truth and a final fit)."
    )
