from __future__ import annotations

import pandas as pd

from core.plots.rank_pretraining import learning_curves


def test_both_losses_are_drawn_by_epoch() -> None:
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "train_loss": [8.0, 7.0, 6.5], "val_loss": [8.1, 7.4, 7.2]}
    )
    fig = learning_curves(history)
    drawn = {trace.name: (list(trace.x), list(trace.y)) for trace in fig.data}
    assert drawn == {
        "training cells": ([1, 2, 3], [8.0, 7.0, 6.5]),
        "held-out cells": ([1, 2, 3], [8.1, 7.4, 7.2]),
    }
