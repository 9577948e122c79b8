"""Monte-Carlo dropout whose masks belong to the text, not to the batch.

Gal and Ghahramani (arXiv 1506.02142) read the spread of a network's outputs under dropout as
its uncertainty. Here a unit is dropped or kept by a hash of (seed, layer, unit, the tokens up
to and including this one): the same text has the same masks whatever it is batched with, and
sequences that begin alike have equal masks where they are alike, so that prefixes are shared.
Dropout is on what attention and MLP add to the residual stream (Vaswani et al., arXiv
1706.03762, section 5.4). A model that was trained without dropout was not trained to be an
ensemble: the spread is then a heuristic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rewardsvc.engines.packed.branches import Branch
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.errors import ConfigError

__all__ = ["ResidualDropout", "content_keys"]

_SITES = ("self_attn", "mlp")
_BITS = 24
_CHAIN = 0x5851F42D4C957F2D  # Knuth's MMIX multiplier: odd, so it has an inverse modulo 2^64.


class ResidualDropout(Branch):
    """The trunk's own top layers under one fixed set of masks.

    Args:
        seed: Which masks; a member of the ensemble is a seed.
        rate: The share of units that is dropped, in [0, 1); the others are scaled by
            1 / (1 - rate).

    Raises:
        ConfigError: `rate` is out of range.
    """

    changes_own = True

    def __init__(self, seed: int, rate: float) -> None:
        if not 0.0 <= rate < 1.0:
            raise ConfigError(f"rate: must be in [0, 1), not {rate}")
        self._seed = seed
        self._rate = rate

    @contextmanager
    def layers(self, own: Sequence[nn.Module], batch: MicroBatch) -> Iterator[Sequence[nn.Module]]:
        """As `Branch.layers`.

        Raises:
            ConfigError: the layers have no `self_attn` and `mlp`.
        """
        keys = torch.from_numpy(content_keys(batch))
        with ExitStack() as hooks:
            for index, layer in enumerate(own):
                current = _CurrentRows(keys)
                before = layer.register_forward_pre_hook(current.note, with_kwargs=True)
                hooks.callback(before.remove)
                for number, name in enumerate(_SITES):
                    site = getattr(layer, name, None)
                    if not isinstance(site, nn.Module):
                        raise ConfigError(f"{type(layer).__name__}: has no {name} to drop units of")
                    # Counted from the top: a mask does not depend on how many layers drop.
                    place = (len(own) - index) * len(_SITES) + number
                    after = site.register_forward_hook(self._dropping(current, place))
                    hooks.callback(after.remove)
            yield own

    def _dropping(self, current: _CurrentRows, place: int) -> Callable[..., Any]:
        salt = int(_mixed(np.array([self._seed * 1_000_003 + place], dtype=np.int64))[0])

        def drop(module: nn.Module, inputs: Any, output: Any) -> Any:
            states = output[0] if isinstance(output, tuple) else output
            kept = _keep(current.keys.to(states.device), salt, states.shape[-1], self._rate)
            dropped = states * (kept.to(states.dtype) / (1.0 - self._rate))
            return (dropped, *output[1:]) if isinstance(output, tuple) else dropped

        return drop


class _CurrentRows:
    """The keys of the rows that a layer is being run on."""

    def __init__(self, keys: Tensor) -> None:
        self._all = keys
        self.keys = keys

    def note(self, module: nn.Module, inputs: Any, keywords: dict[str, Any]) -> None:
        rows = keywords["packed_kernel"].rows
        self.keys = self._all if rows is None else self._all[rows.to(self._all.device)]


def content_keys(batch: MicroBatch) -> NDArray[np.int64]:
    """One key a packed row: a hash of the sequence up to and including it.

    key = mix(h) with h the polynomial hash h_t = A h_(t-1) + token + 1 modulo 2^64, carried on
    from the prefix into each suffix. Not cryptographic.
    """
    keys = np.empty(batch.tokens, dtype=np.int64)
    for segment in batch.segments:
        prefix = slice(segment.start, segment.suffix_start)
        keys[prefix] = _chain(batch.token_ids[prefix], 0)
        carried = int(keys[prefix.stop - 1]) if segment.prefix_length else 0
        start = segment.suffix_start
        for length in segment.suffix_lengths:
            own = slice(start, start + length)
            keys[own] = _chain(batch.token_ids[own], carried)
            start += length
    return _mixed(keys)


def _chain(tokens: NDArray[np.int32], carried: int) -> NDArray[np.int64]:
    """h_j = A^j (h_0 + sum over i <= j of (token_i + 1) A^-i), all modulo 2^64."""
    count = len(tokens)
    powers = np.full(count, _CHAIN, dtype=np.uint64).cumprod(dtype=np.uint64)
    inverse = np.full(count, pow(_CHAIN, -1, 1 << 64), dtype=np.uint64).cumprod(dtype=np.uint64)
    terms = (tokens.astype(np.uint64) + np.uint64(1)) * inverse
    start = np.uint64(carried % (1 << 64))
    chained: NDArray[np.int64] = (powers * (start + terms.cumsum(dtype=np.uint64))).view(np.int64)
    return chained


def _mixed(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """splitmix64's finalizer (Steele, Lea and Flood, OOPSLA 2014)."""
    x = values.view(np.uint64).copy()
    x += np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))).view(np.int64)


def _keep(keys: Tensor, salt: int, units: int, rate: float) -> Tensor:
    """(rows, units) of whether a unit is kept: a hash of row and unit against the rate."""
    unit = torch.from_numpy(_mixed(np.arange(units, dtype=np.int64) ^ np.int64(salt)))
    x = keys[:, None] ^ unit.to(keys.device)
    # Two multiply-shift rounds, as in splitmix64; torch's shift of int64 keeps the sign, so
    # the bits it brings in are masked away.
    x = (x ^ ((x >> 30) & ((1 << 34) - 1))) * -0x40A7B892E31B1A47
    x = (x ^ ((x >> 27) & ((1 << 37) - 1))) * -0x6B2FB644ECCEEE15
    bits = (x >> (64 - _BITS)) & ((1 << _BITS) - 1)
    return bits >= round(rate * (1 << _BITS))
