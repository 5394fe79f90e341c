"""Knock-outs a second beside a plain loop over ``transformers.BertForMaskedLM``, in one run.

    python -m benchmarks.knockout_speed [--threads 2] [--rounds 3] [--no-v1] [--no-demo]

The peer deletes a gene from the input and runs the model with hidden states, batch by batch; its
time is the forward pass alone. Ours is the whole of ``knock_out``: first layer from what is
shared, the other layers, and the float64 read-outs of every gene. Both are measured in turns, so
that what else the machine does falls on both; the best round of each counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from core.models.rank_transformer import (
    Mode,
    RankTransformer,
    RankTransformerConfig,
    knock_out,
    to_bert_weights,
)
from core.models.rank_transformer.demonstration import load_demonstration

TIMER: Callable[[], float] = time.perf_counter


def peer_of(model: RankTransformer) -> torch.nn.Module:
    """``BertForMaskedLM`` with the same weights."""
    from transformers import BertConfig, BertForMaskedLM

    peer = BertForMaskedLM(BertConfig(**model.config.to_bert())).eval()
    missing = peer.load_state_dict(to_bert_weights(model), strict=False).missing_keys
    assert all("decoder" in name or "position_ids" in name for name in missing), missing
    return peer.to(model.device)


def clock(function: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = TIMER()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return TIMER() - started


def deleted(cell: np.ndarray, ranks: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(np.stack([np.delete(cell, rank) for rank in ranks]), device=device)


def compare(name: str, model: RankTransformer, cell: np.ndarray, args: argparse.Namespace) -> None:
    device, length = model.device, len(cell)
    peer = peer_of(model)
    bare = peer.bert
    ranks = length // 2 + np.arange(args.passes)  # neighbours, as a scan goes through them
    best: dict[str, float] = {}

    def note(label: str, passes: int, seconds: float) -> None:
        best[label] = max(best.get(label, 0.0), passes / seconds)

    with torch.inference_mode():
        reference = peer(deleted(cell, ranks[1:2], device), output_hidden_states=True)
        after = reference.hidden_states[-1][0].double()
        before = peer(torch.as_tensor(cell, device=device)[None], output_hidden_states=True)
        base = before.hidden_states[-1][0].double()
    kept = torch.as_tensor(np.delete(np.arange(length), ranks[1]), device=device)
    cosine = torch.nn.functional.cosine_similarity(base[kept], after, dim=1).cpu().numpy()
    ours = knock_out(model, cell, [int(ranks[1])], Mode.DELETE).cosine[0, kept.cpu().numpy()]
    print(
        f"\n{name}: {length:,} genes; largest difference of a cosine {np.abs(ours - cosine).max():.1e}"
    )

    for _ in range(args.rounds):
        for mode in (Mode.DELETE, Mode.ATTENTION_MASK):
            setup = clock(lambda m=mode: knock_out(model, cell, [int(ranks[0])], m), device)
            whole = clock(lambda m=mode: knock_out(model, cell, [int(r) for r in ranks], m), device)
            note(f"ours, {mode.value}", args.passes - 1, whole - setup)
        for label, network in (("BertForMaskedLM", peer), ("BertModel, no head", bare)):
            for size in args.batches:
                some = np.resize(ranks, size)
                tokens = deleted(cell, some, device)
                repeats = max(1, args.passes // size // 2)

                def loop(n: int = repeats, t: torch.Tensor = tokens, net: object = network) -> None:
                    with torch.inference_mode():
                        for _ in range(n):
                            net(t, output_hidden_states=True)  # type: ignore[operator]

                loop(1)
                note(f"{label}, batch {size}", repeats * size, clock(loop, device))
    for label, rate in best.items():
        print(f"  {label:32s} {rate:8.2f} passes/s")
    mine = best["ours, delete"]
    for label in ("BertForMaskedLM", "BertModel, no head"):
        rates = {k: v for k, v in best.items() if k.startswith(label)}
        top = max(rates, key=lambda k: rates[k])
        print(f"  ours, delete / best of {label} ({top.split(', ')[-1]}): {mine / rates[top]:.2f}×")
    print(
        f"  all {length:,} ranks at the peer's best: {length / max(v for k, v in best.items() if k.startswith('BertForMaskedLM')):.0f} s (from its rate)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=16)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--no-v1", action="store_true")
    parser.add_argument("--no-demo", action="store_true")
    parser.add_argument("--no-scan", action="store_true")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="seconds of the processor instead of the clock, on a machine that others use too",
    )
    args = parser.parse_args()
    if args.processor_time:
        global TIMER
        TIMER = time.process_time
    torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"torch {torch.__version__}, {args.threads} threads, {device}")
    rng = np.random.default_rng(0)
    if not args.no_demo:
        model = load_demonstration().model.to(device)
        cell = rng.permutation(np.arange(2, model.config.vocab_size))[:1400]
        compare("Demonstration model", model, cell, args)
        for mode in () if args.no_scan else (Mode.DELETE, Mode.PAIRED):
            seconds = clock(lambda m=mode: knock_out(model, cell, None, m), device)
            print(f"  all-rank scan, {mode.value}: {seconds:.1f} s, {1400 / seconds:.1f} genes/s")
    if not args.no_v1:
        torch.manual_seed(0)
        model = RankTransformer(RankTransformerConfig()).eval().to(device)
        cell = rng.permutation(np.arange(2, model.config.vocab_size))[:2048]
        compare("Geneformer V1's shape (random weights)", model, cell, args)


if __name__ == "__main__":
    main()
