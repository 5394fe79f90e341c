"""PerturbScope's library: everything the dashboard shows can be computed from here.

Data flows left to right, and so do imports::

    settings → data → molecules → featurizers → models → training → metrics
    → studies → runs → plots
"""

__version__ = "0.1.0"
