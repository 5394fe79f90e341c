"""``python -m core``: the studies and data of PerturbScope without a browser."""

from core.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
