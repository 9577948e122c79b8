"""A Hugging Face decoder taken apart: embedding, layers and final norm, none of them changed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from rewardsvc.engines.packed.attention import (
    ATTENTION_NAME,
    AttentionKernel,
    AttentionRules,
    UnsupportedAttention,
    attention_in,
)
from rewardsvc.errors import ConfigError

__all__ = ["Decoder", "PositionEmbeddings", "run_layer"]

PositionEmbeddings = Callable[[int], Any]
"""The rotary cosines and sines, (1, rows, size) each, that a layer of this index takes."""

_PARTS = ("embed_tokens", "layers", "norm", "rotary_emb")


class Decoder:
    """The parts of a decoder that a packed pass runs one by one.

    Args:
        model: A decoder, or a model with one as its `base_model`.
        compile: Run each layer through torch.compile, with the number of rows left open.

    Raises:
        ConfigError: the model is not a decoder of the usual build.
    """

    def __init__(self, model: Any, *, compile: bool = False) -> None:
        if callable(getattr(model, "get_base_model", None)):
            model = model.get_base_model()
        base = getattr(model, "base_model", model)
        name = type(base).__name__
        missing = [part for part in _PARTS if not isinstance(getattr(base, part, None), nn.Module)]
        if missing:
            raise ConfigError(
                f"{name}: cannot be packed: it has no {', '.join(missing)} "
                "(an encoder, or a decoder of another build)"
            )
        self.name = name
        self.base: Any = base
        self.config: Any = base.config
        self.layers: list[nn.Module] = list(base.layers)[: self.config.num_hidden_layers]
        self.norm: nn.Module = base.norm
        self._layer_types: list[str] = list(getattr(self.config, "layer_types", None) or [])
        self._rotary_by_type = "layer_type" in inspect.signature(base.rotary_emb.forward).parameters
        self._check()
        # Wrappers: the model's own layers stay as they are.
        self.runners: list[nn.Module] = (
            [cast(nn.Module, torch.compile(layer, dynamic=True)) for layer in self.layers]
            if compile
            else self.layers
        )

    def _check(self) -> None:
        kinds = set(self._layer_types) - {"full_attention", "sliding_attention"}
        if kinds:
            raise ConfigError(
                f"{self.name}: cannot be packed: it has layers of kind {', '.join(sorted(kinds))}"
            )
        rope: Any = getattr(self.config, "rope_parameters", None) or {}
        settings = [rope, *(value for value in rope.values() if isinstance(value, dict))]
        for setting in settings:
            if setting.get("rope_type") in ("dynamic", "longrope"):
                raise ConfigError(
                    f"{self.name}: cannot be packed: rope_type {setting['rope_type']} changes "
                    "every position with the longest sequence of a batch"
                )

    @property
    def device(self) -> torch.device:
        """Where token ids go."""
        weight: Tensor = self.base.embed_tokens.weight
        return weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the hidden states."""
        weight: Tensor = self.base.embed_tokens.weight
        return weight.dtype

    @property
    def vocabulary(self) -> int:
        """Token ids are 0..vocabulary - 1."""
        return int(self.base.embed_tokens.weight.shape[0])

    @contextmanager
    def attending(self) -> Iterator[None]:
        """While it lasts the layers may be run; before and after, the model is as it was."""
        with attention_in(self.config, ATTENTION_NAME):
            yield

    def embed(self, token_ids: Tensor) -> Tensor:
        """Token ids (1, rows) to hidden states (1, rows, hidden)."""
        hidden: Tensor = self.base.embed_tokens(token_ids)
        multiplier = getattr(self.base, "embedding_multiplier", None)
        return hidden if multiplier is None else hidden * multiplier

    def position_embeddings(self, hidden: Tensor, position_ids: Tensor) -> PositionEmbeddings:
        """The rotary embeddings of positions (1, rows), for every layer."""
        if not self._rotary_by_type:
            everywhere = self.base.rotary_emb(hidden, position_ids)
            return lambda index: everywhere
        by_type = {
            kind: self.base.rotary_emb(hidden, position_ids, kind)
            for kind in sorted(set(self._layer_types))
        }
        return lambda index: by_type[self._layer_types[index]]


def run_layer(
    layer: nn.Module, hidden: Tensor, position_ids: Tensor, embeddings: Any, kernel: AttentionKernel
) -> Tensor:
    """Runs one layer as its model would, but for the attention kernel.

    Raises:
        UnsupportedAttention: the layer did not use the kernel.
    """
    witness = _Witness(kernel)
    output = layer(
        hidden,
        attention_mask=None,
        position_ids=position_ids,
        position_embeddings=embeddings,
        past_key_values=None,
        use_cache=False,
        packed_kernel=witness,
    )
    if not witness.called:
        raise UnsupportedAttention(f"{type(layer).__name__} does not attend through the kernel")
    result: Tensor = output[0] if isinstance(output, tuple) else output
    return result


class _Witness:
    """Knows whether a kernel was called: a layer with a mask of its own would mix sequences."""

    def __init__(self, kernel: AttentionKernel) -> None:
        self._kernel = kernel
        self.rows = kernel.rows
        self.called = False

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, rules: AttentionRules) -> Tensor:
        self.called = True
        return self._kernel(query, key, value, rules)
