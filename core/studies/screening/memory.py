"""How much memory this process has taken at most."""

from __future__ import annotations

import sys


def peak_mb() -> float:
    """Peak resident memory of this process so far, in MB."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        info = psutil.Process().memory_info()
        return float(getattr(info, "peak_wset", info.rss)) / 2**20
    # bytes on macOS, kilobytes elsewhere
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
