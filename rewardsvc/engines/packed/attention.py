"""How attention reaches the packed layout: an attention function registered with transformers.

The model's own attention modules project, rotate and normalise; then they call the function
named `ATTENTION_NAME`, which hands queries, keys and values to the kernel that travels in the
forward call's keyword `packed_kernel`. No mask is built and no cache is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

__all__ = [
    "ATTENTION_NAME",
    "AttentionKernel",
    "AttentionRules",
    "UnsupportedAttention",
    "attention_in",
]

ATTENTION_NAME = "rewardsvc_packed"


class UnsupportedAttention(ValueError):
    """A model asks for attention that the packed layout has no kernel for."""


@dataclass(frozen=True, slots=True)
class AttentionRules:
    """What a layer asks of its attention.

    Attributes:
        scale: Factor on the products of queries and keys.
        window: A token sees itself and the window - 1 before it; None: all before it.
        softcap: c where products s become c * tanh(s / c) before the softmax; None: as they are.
    """

    scale: float
    window: int | None = None
    softcap: float | None = None

    def plain(self, longest: int) -> bool:
        """Whether this is causal softmax attention for sequences of up to `longest` tokens."""
        return self.softcap is None and (self.window is None or longest <= self.window)


class AttentionKernel(Protocol):
    """Attention over one layout."""

    @property
    def rows(self) -> Tensor | None:
        """The packed rows that the queries are of; None: all rows."""

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, rules: AttentionRules) -> Tensor:
        """Query (1, heads, rows, size), key and value (1, key heads, rows, size) of the tokens
        in packed order to outputs (1, rows, heads, size)."""


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    packed_kernel: AttentionKernel | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    is_causal: bool | None = None,
    s_aux: Tensor | None = None,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    for what, asked in (
        ("attention without a packed layout", packed_kernel is None),
        ("a mask of its own", attention_mask is not None),
        ("attention to later tokens", not causal),
        ("dropout in attention", dropout > 0),
        ("attention sinks", s_aux is not None),
        ("a position bias", position_bias is not None),
        ("values of another size than keys", key.shape[-1] != value.shape[-1]),
    ):
        if asked:
            raise UnsupportedAttention(f"{type(module).__name__} asks for {what}")
    assert packed_kernel is not None
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return packed_kernel(query, key, value, AttentionRules(scale, sliding_window, softcap)), None


# A compiled layer stops here and goes on after: what the kernels do depends on the lengths.
AttentionInterface.register(
    ATTENTION_NAME,
    torch.compiler.disable(_attend),  # type: ignore[no-untyped-call]
)


@contextmanager
def attention_in(config: Any, name: str) -> Iterator[None]:
    """While it lasts the models of this config attend by the function of that name."""
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before
