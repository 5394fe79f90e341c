"""Learning-rate schedules as pure functions of the step, so that resuming needs no state."""

from __future__ import annotations

import math

SCHEDULES = ("constant", "cosine", "one-cycle")
_WARM_UP = {"cosine": 0.05, "one-cycle": 0.3}
_START = {"cosine": 0.1, "one-cycle": 0.04}
_END = {"cosine": 0.01, "one-cycle": 1e-4}


def rate_factor(schedule: str, step: int, total: int) -> float:
    """Learning rate at ``step`` of ``total`` as a fraction of the peak, in (0, 1].

    ``cosine`` warms up linearly over the first 5 % and falls along a half cosine to 1 %;
    ``one-cycle`` (Smith 2018) climbs over 30 % and falls to 0.01 %.
    """
    if schedule == "constant":
        return 1.0
    if schedule not in _WARM_UP:
        raise ValueError(f"unknown schedule '{schedule}'")
    warm = max(1, round(_WARM_UP[schedule] * total))
    if step < warm:
        start = _START[schedule]
        return min(1.0, start + (1.0 - start) * (step + 1) / warm)
    done = min(1.0, (step - warm) / max(1, total - 1 - warm))
    end = _END[schedule]
    return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * done))
