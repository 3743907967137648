"""Random numbers that are a pure function of (seed, purpose, step): the first seam of the design.

Only the raw Philox words are used, because their order is guaranteed to stay the same on every
platform and in every version of numpy, which is not so for `Generator.integers` or `.shuffle`.
"""

import zlib

import numpy as np

_GOLDEN = (5**0.5 - 1) / 2  # of all numbers, its multiples fill [0, 1) most evenly, however many there are


def uniforms(seed: int, purpose: str, shape: tuple[int, ...], step: int = 0) -> np.ndarray:
    """Uniform numbers in [0, 1), float64, of the given shape.

    The same leading dimension prefix gives the same numbers: `uniforms(s, p, (5, 6))` are the first
    five rows of `uniforms(s, p, (9, 6))`, so that a population is the beginning of a larger one.
    """
    words = _philox(seed, purpose, step).random_raw(int(np.prod(shape)))
    return ((words >> np.uint64(11)) * 2.0**-53).reshape(shape)


def quasi_uniforms(seed: int, purpose: str, n: int, step: int) -> np.ndarray:
    """Numbers `n` * `step` to `n` * (`step` + 1) of a low-discrepancy sequence in [0, 1), float64, shape (n,).

    Each is the one before plus the golden section, from a random beginning on (a Kronecker sequence): any part of
    [0, 1) is visited again and again after nearly the same number of draws, where `uniforms` leaves it to chance.
    """
    return (uniforms(seed, f"even {purpose}", (1,)) + np.arange(n * step, n * (step + 1)) * _GOLDEN) % 1.0


def _philox(seed: int, purpose: str, step: int = 0) -> np.random.Philox:
    key = np.array([seed, zlib.crc32(purpose.encode())], dtype=np.uint64)
    return np.random.Philox(key=key, counter=[0, 0, step, 0])


def permute(indices: np.ndarray, size: int, seed: int, purpose: str) -> np.ndarray:
    """A pseudo-random permutation of range(size) applied to `indices` without storing it.

    A balanced Feistel network on the next even power of two; values that fall outside are sent
    through again until they fall inside ("cycle walking"), which keeps it a permutation.
    """
    half_bits = max(1, -(-(size - 1).bit_length() // 2))
    keys = _philox(seed, purpose).random_raw(6)
    walked = _feistel(np.asarray(indices, dtype=np.uint64), keys, half_bits)
    while (outside := walked >= size).any():
        walked[outside] = _feistel(walked[outside], keys, half_bits)
    return walked.astype(np.int64)


def _feistel(values: np.ndarray, keys: np.ndarray, half_bits: int) -> np.ndarray:
    half, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> half, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + key) & mask)
    return (left << half) | right


def _mix(words: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every input bit changes every output bit with probability 1/2."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
