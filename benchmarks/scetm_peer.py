"""Our scETM beside the scETM package: CPU seconds to the same likelihood of the same held-out cells.

    SCETM_PYTHON=/path/to/venv/bin/python python -m benchmarks.scetm_peer --epochs 1500
    python -m benchmarks.scetm_peer --sets human --options learning_rate=0.01

``SCETM_PYTHON`` names a Python that has the package (PyPI 0.5.0); without it only ours runs. Both
get the same raw counts of the 2,000 highly variable genes and train on the same nine tenths of the
cells, with the package's own trainer and its defaults. The likelihood is that of the held-out
tenth at the posterior's mean, batch known: the mean over cells of ``Σ_g share_g · log p_g``.
Seconds are those of the CPU (all threads), without imports and without judging the held-out cells;
ours include the start from clusters.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any


def peer(source: str, target: str, epochs: int, every: int, seed: int) -> None:
    """Train the package's model with its own trainer; run by the Python that has it."""
    import types

    # The package wants tensorboard for type hints and optional logs only.
    stub = types.ModuleType("torch.utils.tensorboard")
    stub.SummaryWriter = type("SummaryWriter", (), {})  # type: ignore[attr-defined]
    sys.modules["torch.utils.tensorboard"] = stub
    import logging

    import anndata
    import numpy as np
    import pandas as pd
    import torch
    from scETM import UnsupervisedTrainer, scETM
    from scipy import sparse

    logging.disable(logging.WARNING)
    data = np.load(source, allow_pickle=False)
    counts = sparse.csr_matrix((data["data"], data["indices"], data["indptr"]), shape=data["shape"])
    batch, train, held = data["batch"], data["train"], data["held"]
    obs = pd.DataFrame({"batch_indices": pd.Categorical(batch)})
    obs.index = obs.index.astype(str)
    cells = anndata.AnnData(counts, obs=obs)
    torch.manual_seed(seed)
    model = scETM(counts.shape[1], int(batch.max()) + 1, device=torch.device("cpu"))
    trainer = UnsupervisedTrainer(model, cells[train].copy(), seed=seed)
    dense = torch.from_numpy(counts[held].toarray())
    given = {
        "cells": dense,
        "library_size": dense.sum(1, keepdim=True),
        "batch_indices": torch.from_numpy(batch[held]),
    }
    spent, history = 0.0, []
    step = trainer.do_train_step
    started = time.process_time()

    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal spent, started
        made = step(*args, **kwargs)
        done = len(seen) + 1
        seen.append(None)
        if done % every == 0 or done == epochs:
            spent += time.process_time() - started
            model.eval()
            with torch.no_grad():
                value = float(model(given, {"decode": True})["nll"]) / len(held)
            history.append({"epoch": done, "seconds": spent, "held_out_nll": value})
            if done % (4 * every) == 0:
                print(f"  package, epoch {done}: {value:.4f}, {spent:.1f} s", file=sys.__stdout__)
            model.train()
            started = time.process_time()
        return made

    seen: list[None] = []
    trainer.do_train_step = watched
    # All cells fit in one minibatch, so that a step is an epoch.
    assert len(train) <= trainer.batch_size
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        trainer.train(n_epochs=epochs, eval=False, eval_every=epochs + 1, save_model_ckpt=False)
    Path(target).write_text(json.dumps(history))


def ours(
    prepared: Any, batch: Any, names: tuple[str, ...], options: Any, seed: int
) -> tuple[list[dict[str, float]], float]:
    """History of our model by CPU seconds, and the seconds of the whole fit."""
    from core.models.scetm import TopicModel

    clock = {"at": time.process_time()}
    marks: dict[int, float] = {}

    def watch(done: int, total: int, message: str) -> None:
        del total, message
        marks.setdefault(done, time.process_time() - clock["at"])

    model = TopicModel.fit(prepared, batch, names, options, seed=seed, on_progress=watch)
    whole = time.process_time() - clock["at"]
    columns = ["epoch", "held_out_nll"]
    rows = model.history[columns].to_dict("records")
    return [r | {"seconds": marks[int(r["epoch"])]} for r in rows], whole


def reached(history: list[dict[str, float]], level: float) -> dict[str, float] | None:
    """The first check at or below a negative log-likelihood."""
    return next((r for r in history if r["held_out_nll"] <= level), None)


def main() -> None:
    """Run both and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=["mouse", "human"], default=["mouse"])
    parser.add_argument("--epochs", type=int, default=1500, help="of the package")
    parser.add_argument("--every", type=int, default=25, help="epochs between its checks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--options", nargs="+", default=[], metavar="KEY=VALUE", help="of ours")
    options = parser.parse_args()

    import numpy as np
    from scipy import sparse

    from benchmarks.integration import BATCH, LABEL, read
    from core.models.scetm import TopicOptions, fitting
    from core.studies.integration.config import PreparationConfig
    from core.studies.integration.evaluate import prepare

    chosen = TopicOptions(
        **{k: json.loads(v) for k, _, v in (o.partition("=") for o in options.options)}
    )
    for name in options.sets:
        cells = prepare(read(name), PreparationConfig(), BATCH, LABEL, seed=0).cells
        counts = sparse.csr_matrix(cells.layers["counts"], dtype=np.float32)
        column = cells.obs[BATCH].astype("category")
        batch = column.cat.codes.to_numpy().astype(np.int64)
        names = tuple(map(str, column.cat.categories))
        held = fitting._held_out(len(batch), chosen.held_out, np.random.default_rng(options.seed))
        train = np.setdiff1d(np.arange(len(batch)), held)
        print(f"\n## {name}: {len(train):,} cells to train, {len(held):,} held out, 2,000 genes")
        history, whole = ours(counts, batch, names, chosen, options.seed)
        best = min(history, key=lambda r: r["held_out_nll"])
        print(
            f"ours: {best['held_out_nll']:.4f} nats at epoch {best['epoch']:.0f} after "
            f"{best['seconds']:.1f} CPU s; {whole:.1f} s until it stopped (epoch "
            f"{history[-1]['epoch']:.0f})"
        )
        python = os.environ.get("SCETM_PYTHON")
        if python is None:
            print("SCETM_PYTHON is not set: the package was not run.")
            continue
        with tempfile.TemporaryDirectory() as folder:
            source, target = f"{folder}/in.npz", f"{folder}/out.json"
            np.savez(
                source,
                data=counts.data,
                indices=counts.indices,
                indptr=counts.indptr,
                shape=counts.shape,
                batch=batch,
                train=train,
                held=held,
            )
            words = [source, target, str(options.epochs), str(options.every), str(options.seed)]
            subprocess.run([python, __file__, "peer", *words], check=True)
            theirs = json.loads(Path(target).read_text())
        top = min(theirs, key=lambda r: r["held_out_nll"])
        print(
            f"scETM package: {top['held_out_nll']:.4f} nats at epoch {top['epoch']} after "
            f"{top['seconds']:.1f} CPU s; {theirs[-1]['held_out_nll']:.4f} after all "
            f"{options.epochs:,} epochs, {theirs[-1]['seconds']:.1f} s"
        )
        same = reached(history, top["held_out_nll"])
        if same is None:
            print(f"ours does not reach {top['held_out_nll']:.4f}")
        else:
            print(
                f"ours reaches the package's best at epoch {same['epoch']:.0f} after "
                f"{same['seconds']:.1f} CPU s: {top['seconds'] / same['seconds']:.1f} times as "
                f"fast; to the end of the whole fit {top['seconds'] / whole:.1f} times"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["peer"]:
        peer(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7]))
    else:
        main()
