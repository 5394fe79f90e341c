"""Threefry-2x32, a random generator made of a counter and a key (Salmon et al. 2011).

scib-metrics starts k-means from draws of this generator (doi 10.1145/2063384.2063405) with seed
0. The same draws make our k-means scores comparable with published ones digit by digit, which a
start of another generator would not be: k-means has many optima.
"""

from __future__ import annotations

import numpy as np

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)

Key = np.ndarray


def key_of(seed: int) -> Key:
    """The key uint32 ``(2,)`` of a seed below 2**32."""
    return np.array([0, seed], dtype=np.uint32)


def _hash(key: Key, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Twenty rounds on the counters ``(0, low)``."""
    words = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    with np.errstate(over="ignore"):
        a = np.full(low.shape, words[0], np.uint32)
        b = (low + words[1]).astype(np.uint32)
        for step in range(5):
            for turn in _ROTATIONS[step % 2]:
                a = a + b
                b = (b << np.uint32(turn)) | (b >> np.uint32(32 - turn))
                b = a ^ b
            a = a + words[(step + 1) % 3]
            b = b + words[(step + 2) % 3] + np.uint32(step + 1)
    return a, b


def split(key: Key, n: int = 2) -> list[Key]:
    """``n`` new keys."""
    a, b = _hash(key, np.arange(n, dtype=np.uint32))
    return [np.array([x, y], dtype=np.uint32) for x, y in zip(a, b, strict=True)]


def bits(key: Key, n: int) -> np.ndarray:
    """``n`` random uint32."""
    a, b = _hash(key, np.arange(n, dtype=np.uint32))
    return a ^ b


def uniform(key: Key, n: int) -> np.ndarray:
    """``n`` float32, above 0 and below 1, from 23 bits each."""
    ones = np.float32(1).view(np.uint32)
    floats = ((bits(key, n) >> np.uint32(9)) | ones).view(np.float32) - np.float32(1)
    return np.maximum(floats, np.finfo(np.float32).tiny)


def permutation(key: Key, n: int) -> np.ndarray:
    """A random order of ``0 … n - 1``: sorted by random numbers often enough for ties not to tell."""
    order = np.arange(n)
    rounds = int(np.ceil(3 * np.log(max(1, n)) / np.log(np.iinfo(np.uint32).max)))
    for _ in range(rounds):
        key, fresh = split(key)
        order = order[np.argsort(bits(fresh, n), kind="stable")]
    return order


def weighted_choice(key: Key, weights: np.ndarray, n: int) -> np.ndarray:
    """``n`` different indices with chances as ``weights``, by the Gumbel top-k rule."""
    with np.errstate(divide="ignore"):
        scores = -np.log(-np.log(uniform(key, len(weights)))) + np.log(weights.astype(np.float32))
    return np.argsort(-scores, kind="stable")[:n]
