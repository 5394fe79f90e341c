"""Differences between methods, paired over the same draws."""

from __future__ import annotations

import numpy as np
import pandas as pd


def paired_differences(scores: pd.DataFrame, subject: str, names: tuple[str, ...]) -> pd.DataFrame:
    """How far one method is ahead of each other one.

    Parameters
    ----------
    scores
        Long table ``method, draw`` and a column a score.
    subject
        The method in question.
    names
        Scores to compare.

    Returns
    -------
    DataFrame
        ``peer, score, difference`` (mean of subject minus peer over the draws), ``sd`` (of the
        difference, n − 1; NaN for one draw), ``ahead`` (draws in which the subject is ahead),
        ``n_draws``. A score that either method lacks is left out.
    """
    rows = []
    for name in names:
        wide = scores.pivot(index="draw", columns="method", values=name)
        if subject not in wide:
            continue
        for peer in wide.columns.drop(subject):
            gap = (wide[subject] - wide[peer]).dropna().to_numpy()
            if not len(gap):
                continue
            rows.append(
                {
                    "peer": str(peer),
                    "score": name,
                    "difference": float(gap.mean()),
                    "sd": float(gap.std(ddof=1)) if len(gap) > 1 else np.nan,
                    "ahead": int((gap > 0).sum()),
                    "n_draws": len(gap),
                }
            )
    columns = ["peer", "score", "difference", "sd", "ahead", "n_draws"]
    return pd.DataFrame(rows, columns=columns)
