"""One reward model of an ensemble: a Bradley-Terry sequence classifier and its tokenizer.

Imports torch and transformers: used only inside an engine process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from rewardsvc.engines.micro_batches import plan_micro_batches
from rewardsvc.engines.model_files import check_head, check_model_directory
from rewardsvc.errors import ConfigError

__all__ = ["Member", "load_member", "one_line"]

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True, slots=True)
class Member:
    """A loaded model, ready to score token ids."""

    directory: Path
    model: Any
    tokenizer: Any
    max_length: int
    device: torch.device

    @property
    def vocabulary(self) -> int:
        """Token ids the model has embeddings for are 0..vocabulary - 1."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    def score(
        self, sequences: Sequence[Sequence[int]], token_budget: int
    ) -> tuple[NDArray[np.float64], dict[int, str]]:
        """Scores sequences of token ids; NaN and the reason for those the model failed on.

        `token_budget` bounds the padded size of one forward pass.
        """
        scores = np.full(len(sequences), np.nan)
        failures: dict[int, str] = {}
        for batch in plan_micro_batches([len(ids) for ids in sequences], token_budget):
            try:
                scores[batch] = self._forward([sequences[index] for index in batch])
            except Exception as error:
                # One sequence may be at fault: the others are still owed a score.
                if len(batch) == 1:
                    failures[batch[0]] = one_line(error)
                    continue
                for index in batch:
                    try:
                        scores[index] = self._forward([sequences[index]])[0]
                    except Exception as single:
                        failures[index] = one_line(single)
        return scores, failures

    @torch.inference_mode()
    def _forward(self, sequences: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        lengths = torch.tensor([len(ids) for ids in sequences])
        longest = int(lengths.max())
        padding = self._padding_id()
        ids = torch.tensor([[*s, *[padding] * (longest - len(s))] for s in sequences])
        mask = (torch.arange(longest)[None, :] < lengths[:, None]).long()
        ids, mask = ids.to(self.device), mask.to(self.device)
        if isinstance(getattr(self.model, "score", None), nn.Module):
            # A causal model's score is read at the last token of the sequence. transformers
            # looks for the last token that is not the padding token, and so misses a final
            # end-of-sequence token where that is the padding token too; lengths cannot.
            hidden = self.model.base_model(
                input_ids=ids, attention_mask=mask, use_cache=False
            ).last_hidden_state
            rows = torch.arange(len(sequences), device=self.device)
            logits = self.model.score(hidden[rows, lengths.to(self.device) - 1])
        else:
            logits = self.model(input_ids=ids, attention_mask=mask).logits
        scores: NDArray[np.float64] = logits[:, 0].double().cpu().numpy()
        return scores

    def _padding_id(self) -> int:
        """Masked everywhere, so any id the model knows will do when there is no own one."""
        padding = self.tokenizer.pad_token_id
        return padding if padding is not None and padding < self.vocabulary else 0


def load_member(
    directory: Path, *, dtype: str, device: torch.device, max_length: int | None
) -> Member:
    """Loads a sequence classifier with one label from local safetensors, in eval mode.

    `dtype` is float32, bfloat16, float16 or auto: the checkpoint's own on a GPU, float32 on
    the CPU. `max_length` None is what the model and its tokenizer take.

    Raises:
        ConfigError: names the directory and what is wrong with it.
    """
    check_model_directory(directory)
    config = _load_config(directory)
    model = _load_model(directory, config, _dtype(dtype, device)).to(device).eval()
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise ConfigError(f"{directory}: tokenizer cannot be loaded: {one_line(error)}") from error
    if not tokenizer.is_fast:
        raise ConfigError(f"{directory}: tokenizer must be a fast one (tokenizer.json)")
    length = _max_length(directory, config, tokenizer, max_length)
    return Member(directory, model, tokenizer, length, device)


def _load_config(directory: Path) -> Any:
    try:
        config = AutoConfig.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise ConfigError(f"{directory}/config.json: {one_line(error)}") from error
    check_head(directory / "config.json", config.num_labels, config.is_encoder_decoder)
    return config


def _load_model(directory: Path, config: Any, dtype: torch.dtype | str) -> Any:
    try:
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            directory,
            config=config,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise ConfigError(
            f"{directory}: cannot be loaded as a sequence classifier "
            f"(architectures: {config.architectures}): {one_line(error)}"
        ) from error
    missing = sorted(loading["missing_keys"])
    if missing:
        raise ConfigError(
            f"{directory}: weights are missing, which would be random: "
            f"{', '.join(missing[:5])}{' and more' if len(missing) > 5 else ''} "
            f"(architectures: {config.architectures})"
        )
    return model


def _dtype(name: str, device: torch.device) -> torch.dtype | str:
    if name == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    return _DTYPES[name]


def _max_length(directory: Path, config: Any, tokenizer: Any, wanted: int | None) -> int:
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    if wanted is not None:
        if positions is not None and wanted > positions:
            raise ConfigError(
                f"max_length: {wanted} is more than the {positions} positions of {directory}"
            )
        return wanted
    limits = [n for n in (positions, tokenizer.model_max_length) if n and n < 10**9]
    if not limits:
        raise ConfigError(f"max_length: must be given, as {directory} does not state its own")
    return int(min(limits))


def one_line(error: Exception) -> str:
    """The error's type and the beginning of its message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
