"""A random permutation that is never written down: any part of it can be computed alone, in constant memory."""

import numpy as np

_ROUNDS = 6


def _mix(values: np.ndarray, key: np.uint64) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele et al. 2014): uint64 -> uint64, every bit depending on every bit."""
    values = values + key
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def permute(positions: np.ndarray, size: int, seed: tuple[int, ...]) -> np.ndarray:
    """Where a permutation of range(size) takes each position.

    A Feistel network over the next larger power of 4 (Luby and Rackoff 1988), walked until it is back inside the range
    (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").

    Args:
        positions: int64 [n], each in [0, size).
        size: length of the permuted range.
        seed: which permutation.

    Returns:
        int64 [n].
    """
    half = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    shift, low = np.uint64(half), np.uint64((1 << half) - 1)
    keys = np.random.SeedSequence([*seed, size]).generate_state(_ROUNDS, np.uint64)
    result = positions.astype(np.uint64)
    outside = np.arange(len(result))
    while len(outside):
        left, right = result[outside] >> shift, result[outside] & low
        for key in keys:
            left, right = right, left ^ (_mix(right, key) & low)
        result[outside] = (left << shift) | right
        outside = outside[result[outside] >= size]
    return result.astype(np.int64)
