"""Loads Hugging Face models and tokenizers from local safetensors, never running their code.

Imports torch and transformers: used only inside an engine process.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from rewardsvc.engines.model_files import check_model_directory
from rewardsvc.errors import ConfigError

__all__ = [
    "Settings",
    "load_causal_model",
    "load_classifier",
    "load_decoder",
    "load_tokenizer",
    "longest_input",
    "one_line",
    "prepare_torch",
]

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How models are loaded and run.

    Attributes:
        dtype: float32, bfloat16, float16 or auto: the checkpoint's own on a GPU, float32 on
            the CPU.
        device: A torch device, or auto: the first GPU if there is one, else the CPU.
        threads: torch's CPU threads; None leaves torch's choice.
        max_length: Longest input in tokens; None is what each model takes.
        token_budget: Tokens computed in one forward pass.
        deterministic: A score does not depend on what it is batched with.
        compile: Compile the layers with torch.compile.
    """

    dtype: str = "auto"
    device: str = "auto"
    threads: int | None = None
    max_length: int | None = None
    token_budget: int = 8192
    deterministic: bool = False
    compile: bool = False

    @property
    def torch_device(self) -> torch.device:
        """The device, with auto decided."""
        if self.device != "auto":
            return torch.device(self.device)
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def torch_dtype(self) -> torch.dtype | str:
        """The dtype as transformers takes it, with auto decided."""
        if self.dtype == "auto":
            return torch.float32 if self.torch_device.type == "cpu" else "auto"
        return _DTYPES[self.dtype]


def prepare_torch(settings: Settings) -> None:
    """Sets what holds for the whole process."""
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)


def load_classifier(
    directory: Path,
    settings: Settings,
    *,
    outputs: int | None = None,
    head_may_be_missing: bool = False,
) -> Any:
    """A sequence classifier, in eval mode on its device.

    `outputs` gives it as many labels, whatever its config says. Where its head may be missing
    the model has a random one, which the caller must not use.

    Raises:
        ConfigError: names the directory and what is wrong with it.
    """
    config = _config(directory)
    if config.is_encoder_decoder:
        raise ConfigError(
            f"{directory / 'config.json'}: is an encoder-decoder; a sequence classifier on an "
            "encoder or a decoder is needed"
        )
    if outputs is not None:
        config.num_labels = outputs
    return _load(
        AutoModelForSequenceClassification,
        "a sequence classifier",
        directory,
        config,
        settings,
        ("score.weight",) if head_may_be_missing else (),
    )


def load_causal_model(directory: Path, settings: Settings) -> Any:
    """A causal language model, in eval mode on its device; ConfigError as `load_classifier`."""
    config = _config(directory)
    return _load(AutoModelForCausalLM, "a causal language model", directory, config, settings)


def load_decoder(directory: Path, settings: Settings) -> Any:
    """The decoder of a checkpoint, whatever head it has; ConfigError as `load_classifier`."""
    return _load(AutoModel, "a decoder", directory, _config(directory), settings)


def load_tokenizer(directory: Path) -> Any:
    """The directory's tokenizer; ConfigError where it cannot be loaded or is a slow one."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise ConfigError(f"{directory}: tokenizer cannot be loaded: {one_line(error)}") from error
    if not tokenizer.is_fast:
        raise ConfigError(f"{directory}: tokenizer must be a fast one (tokenizer.json)")
    return tokenizer


def longest_input(directory: Path, config: Any, tokenizer: Any, wanted: int | None) -> int:
    """How many tokens a model is given at most.

    Raises:
        ConfigError: `wanted` is more than the model has positions, or nothing states a length.
    """
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


def _config(directory: Path) -> Any:
    check_model_directory(directory)
    try:
        return AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ConfigError(f"{directory}/config.json: {one_line(error)}") from error


def _load(
    factory: Any,
    what: str,
    directory: Path,
    config: Any,
    settings: Settings,
    may_be_missing: Collection[str] = (),
) -> Any:
    try:
        model, loading = factory.from_pretrained(
            directory,
            config=config,
            dtype=settings.torch_dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise ConfigError(
            f"{directory}: cannot be loaded as {what} "
            f"(architectures: {config.architectures}): {one_line(error)}"
        ) from error
    missing = sorted(set(loading["missing_keys"]) - set(may_be_missing))
    if missing:
        raise ConfigError(
            f"{directory}: weights are missing, which would be random: "
            f"{', '.join(missing[:5])}{' and more' if len(missing) > 5 else ''} "
            f"(architectures: {config.architectures})"
        )
    return model.to(settings.torch_device).eval()
