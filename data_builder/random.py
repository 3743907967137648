"""Random numbers that are a pure function of (seed, purpose, step): the first seam of the design.

Only the raw Philox words are used, because their order is guaranteed to stay the same on every
platform and in every version of numpy, which is not so for `Generator.integers` or `.shuffle`.
"""

import math
import zlib
from collections.abc import Sequence

import numpy as np

_GOLDEN = (5**0.5 - 1) / 2  # of all numbers, its multiples fill [0, 1) most evenly, however many there are
_WORDS = 4  # that Philox makes at once
_MULTIPLIERS, _WEYL = (
    np.array(pair, dtype=np.uint64)[:, None, None, None]
    for pair in ((0xD2E7470EE14C6C93, 0xCA5A826395121157), (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B))
)
_HIGH, _LOW = _MULTIPLIERS >> np.uint64(32), _MULTIPLIERS & np.uint64(2**32 - 1)


def uniforms(seed: int, purpose: str, shape: tuple[int, ...], step: int = 0, first: int = 0) -> np.ndarray:
    """Uniform numbers in [0, 1), float64, of the given shape; number `first` and those after it.

    The same leading dimension prefix gives the same numbers: `uniforms(s, p, (5, 6))` are the first
    five rows of `uniforms(s, p, (9, 6))`, so that a population is the beginning of a larger one.
    """
    block, skipped = divmod(first, _WORDS)
    words = _philox(seed, purpose, step, block).random_raw(skipped + int(np.prod(shape)))
    return _unit(words[skipped:]).reshape(shape)


def quasi_uniforms(seed: int, purpose: str, n: int, step: int) -> np.ndarray:
    """Numbers `n` * `step` to `n` * (`step` + 1) of a low-discrepancy sequence in [0, 1), float64, shape (n,).

    Each is the one before plus the golden section, from a random beginning on (a Kronecker sequence): any part of
    [0, 1) is visited again and again after nearly the same number of draws, where `uniforms` leaves it to chance.
    """
    return (uniforms(seed, f"even {purpose}", (1,)) + np.arange(n * step, n * (step + 1)) * _GOLDEN) % 1.0


def uniforms_of(seed: int, purposes: Sequence[str], rows: np.ndarray, width: int) -> np.ndarray:
    """Rows of `uniforms(seed, purpose, (n, width))` without making those before them, whatever n is.

    Args:
        seed, purposes: as of `uniforms`, for one purpose after the other.
        rows: (b,) which.
        width: numbers in a row.

    Returns:
        (purposes, b, width) float64.
    """
    first = rows.astype(np.int64) * width
    if (np.diff(rows) == 1).all():
        begin = int(first[:1].sum())
        return np.stack([uniforms(seed, purpose, (len(rows), width), first=begin) for purpose in purposes])
    latest = _WORDS - math.gcd(width, _WORDS)  # of the words of a block, that with which a row may begin
    blocks = first[:, None] // _WORDS + np.arange(-(-(latest + width) // _WORDS))
    keys = np.array([_key(seed, purpose) for purpose in purposes])
    words = _words(blocks, keys[:, 0, None, None], keys[:, 1, None, None]).reshape(len(keys), len(rows), -1)
    places = (first % _WORDS)[:, None] + np.arange(width)
    return _unit(np.take_along_axis(words, places[None], axis=2))


def _unit(words: np.ndarray) -> np.ndarray:
    return (words >> np.uint64(11)) * 2.0**-53


def _key(seed: int, purpose: str) -> np.ndarray:
    return np.array([seed, zlib.crc32(purpose.encode())], dtype=np.uint64)


def _philox(seed: int, purpose: str, step: int = 0, block: int = 0) -> np.random.Philox:
    return np.random.Philox(key=_key(seed, purpose), counter=[block, 0, step, 0])


def _words(blocks: np.ndarray, *key: np.ndarray) -> np.ndarray:
    """Blocks of four words of `_philox` of step 0, by their numbers (Philox4x64-10: Salmon et al. 2011, Sec. 3.3).

    numpy gives the same words much faster, but one after the other, for a key at a time.
    """
    counters = np.broadcast_to((blocks + 1).astype(np.uint64), (*key[0].shape[:-2], *blocks.shape))  # it counts first
    even = np.stack((counters, np.zeros_like(counters)))  # words 0 and 2
    odd = np.zeros_like(even)  # words 1 and 3
    keys = np.stack(key)
    for _ in range(10):
        high, low = _product(even)
        even, odd = high[::-1] ^ odd ^ keys, low[::-1]
        keys = keys + _WEYL
    return np.stack((even[0], odd[0], even[1], odd[1]), axis=-1)


def _product(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """High and low word of each factor times its multiplier; numpy has no integers of 128 bits."""
    half, mask = np.uint64(32), np.uint64(2**32 - 1)
    left, right = factors >> half, factors & mask
    carried = left * _LOW + (right * _LOW >> half)
    crossed = right * _HIGH + (carried & mask)
    return left * _HIGH + (carried >> half) + (crossed >> half), factors * _MULTIPLIERS


def permute(indices: np.ndarray, size: int, seed: int, purpose: str, back: bool = False) -> np.ndarray:
    """A pseudo-random permutation of range(size) applied to `indices` without storing it.

    A balanced Feistel network on the next even power of two; values that fall outside are sent
    through again until they fall inside ("cycle walking"), which keeps it a permutation. `back` undoes it.
    """
    network = _feistel_back if back else _feistel
    half_bits = max(1, -(-(size - 1).bit_length() // 2))
    keys = _philox(seed, purpose).random_raw(6)
    walked = network(np.asarray(indices, dtype=np.uint64), keys, half_bits)
    while (outside := walked >= size).any():
        walked[outside] = network(walked[outside], keys, half_bits)
    return walked.astype(np.int64)


def _feistel(values: np.ndarray, keys: np.ndarray, half_bits: int) -> np.ndarray:
    half, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> half, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + key) & mask)
    return (left << half) | right


def _feistel_back(values: np.ndarray, keys: np.ndarray, half_bits: int) -> np.ndarray:
    half, mask = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> half, values & mask
    for key in keys[::-1]:
        left, right = right ^ (_mix(left + key) & mask), left
    return (left << half) | right


def _mix(words: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every input bit changes every output bit with probability 1/2."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
