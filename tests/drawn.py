"""The noise of fastopt, in NumPy: each operation in the order in which compiled code does it, so that the bits agree."""

from __future__ import annotations

import numpy as np

LOGARITHM = (-1.0000032, 0.50001967, -0.333033, 0.24881339, -0.20604675, 0.18901977, -0.11827472)
QUANTILE = (
    3.7787743, 1.6901361, -0.07892633, 0.012138536, 0.012024664, -0.018759072, 0.014364547, -0.0022444625,
    -0.0044007539, 0.0019712506, 0.00042791097, -0.0002679322,
)  # fmt: skip


def key(seed, step, tensor):
    """64 bits: SplitMix64's finalizer of the seed's bits, then with the tensor, then with the step."""
    x = mixed(int(np.float64(seed).view(np.uint64)))
    return mixed(mixed(x + tensor) + step)


def mixed(x):
    most = 2**64 - 1
    x &= most
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & most
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & most
    return x ^ (x >> 31)


def bits(key, n, start=0):
    """32 bits for each of n places."""
    place = start + np.arange(n, dtype=np.uint64)
    first, second = np.uint32(key >> 32), np.uint32(key & 0xFFFFFFFF)
    x = first + place.astype(np.uint32)
    x = (x ^ (x >> 17)) * np.uint32(0xED5AD4BB)
    x = (x ^ (x >> 11)) + (second + (place >> 32).astype(np.uint32) * np.uint32(0x9E3779B9))
    x = x * np.uint32(0xAC4C1B51)
    x = (x ^ (x >> 15)) * np.uint32(0x31848BAB)
    return (x ^ (x >> 14)).view(np.int32)


def quantiles(places):
    """What normal numbers exceed in size with a probability of (places + 1/2) / 2^31, in float32."""
    tail, body = (
        (x.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-31)
        for x in (places, places ^ np.int32(0x7FFFFFFF))
    )
    y = tail * (np.float32(2) - tail)
    exponent = y.view(np.int32) - np.float32(np.sqrt(0.5)).view(np.int32) >> 23
    x = (y.view(np.int32) - (exponent << 23)).view(np.float32) - np.float32(1)
    w = polynomial(LOGARITHM, x) * x - exponent.astype(np.float32) * np.float32(np.log(2))
    return polynomial(QUANTILE, np.sqrt(w + np.float32(3.5)) - np.float32(3.4)) * body


def normal(seed, step, tensor, n, start=0):
    """Standard normal numbers for n places."""
    drawn = bits(key(seed, step, tensor), n, start)
    size = quantiles(drawn & np.int32(0x7FFFFFFF))
    return np.where(drawn < 0, -size, size)


def polynomial(terms, x):
    """Estrin's scheme: the first 2^k terms, and the others by x to 2^k."""
    if len(terms) == 1:
        return np.float32(terms[0])
    half, power = 1, x
    while 2 * half < len(terms):
        half, power = 2 * half, power * power
    return polynomial(terms[:half], x) + power * polynomial(terms[half:], x)
