"""What members start from: a Hugging Face model folder, or a small model from scratch.

From scratch: a Llama-shape decoder with random weights and a byte-level BPE tokenizer trained
on the training pairs; for trying things out and for tests, as it has read nothing else.
Imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rewardsvc.errors import ConfigError
from rewardsvc.training.preference_pairs import PreferencePair
from rewardsvc.training.recipe import LoraRecipe
from rewardsvc.training.saved_files import open_weights

__all__ = ["check_base", "make_scratch_base", "new_member", "trunk_of"]

_SHAPES = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "heads": 4},
    "small": {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 6, "heads": 8},
}
_VOCABULARY = {"tiny": 1024, "small": 8192}
_BEGIN, _END, _PADDING = "<|begin|>", "<|end|>", "<|padding|>"
_ROLES = ("system", "user", "assistant", "tool", "developer")
_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' }}"
    "{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def check_base(directory: Path) -> None:
    """Checks that a base folder can be used, before anything is trained.

    Raises:
        ConfigError: names the folder and what is missing.
    """
    if not directory.is_dir():
        raise ConfigError(f"base: no such folder: {directory}")
    for name in ("config.json", "tokenizer.json"):
        if not (directory / name).is_file():
            raise ConfigError(f"base: {directory}: {name} is missing")
    if not any(directory.glob("*.safetensors")):
        raise ConfigError(
            f"base: {directory}: no weights in *.safetensors (pickled ones are not read)"
        )
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    if config.get("is_encoder_decoder"):
        raise ConfigError(f"base: {directory}: is an encoder-decoder; a decoder is needed")


def make_scratch_base(
    size: str, pairs: Sequence[PreferencePair], max_length: int, seed: int, directory: Path
) -> None:
    """Writes a random model of `size` (tiny or small) and a tokenizer trained on `pairs`."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    tokenizer = _train_tokenizer(_texts(pairs), _VOCABULARY[size], max_length)
    shape: dict[str, Any] = dict(_SHAPES[size])
    heads = shape.pop("heads")
    torch.manual_seed(seed)
    config = LlamaConfig(  # type: ignore[call-arg]
        vocab_size=len(tokenizer),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=max_length,
        initializer_range=shape["hidden_size"] ** -0.5,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **shape,
    )
    model = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    open_weights(directory)


def new_member(directory: Path, seed: int, lora: LoraRecipe | None) -> tuple[Any, Any]:
    """A model with a score head of its own, in float32, and its tokenizer.

    Raises:
        ConfigError: the folder cannot be loaded as a sequence classifier with a score head.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            directory,
            num_labels=1,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except Exception as error:
        told = " ".join(str(error).split())[:300]
        raise ConfigError(f"base: {directory}: {type(error).__name__}: {told}") from error
    head = getattr(model, "score", None)
    if not isinstance(head, nn.Linear):
        raise ConfigError(
            f"base: {directory}: {type(model).__name__} has no linear head called score; "
            "a decoder (Llama, Qwen, Mistral, Gemma, GPT-2 and the like) is needed"
        )
    missing = [key for key in loading["missing_keys"] if not key.startswith("score.")]
    if missing:
        raise ConfigError(
            f"base: {directory}: weights are missing, which would be random: {missing[:3]}"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    torch.manual_seed(seed)
    nn.init.normal_(head.weight, std=1.0 / (head.in_features + 1) ** 0.5)
    if head.bias is not None:
        nn.init.zeros_(head.bias)
    return (_with_adapters(model, lora) if lora else model), tokenizer


def trunk_of(model: Any) -> tuple[Any, Any]:
    """The decoder and the score head of a member, with or without adapters."""
    plain = model.base_model.model if hasattr(model, "peft_config") else model
    return plain.base_model, plain.score


def _with_adapters(model: Any, lora: LoraRecipe) -> Any:
    from peft import LoraConfig, TaskType, get_peft_model

    layers = int(model.config.get_text_config().num_hidden_layers)
    if lora.top_layers is not None and lora.top_layers > layers:
        raise ConfigError(f"lora top_layers: is {lora.top_layers}; the base has {layers} layers")
    names = {
        name.rsplit(".", 1)[-1]
        for name, module in model.base_model.named_modules()
        if isinstance(module, nn.Linear) and ".layers." in f".{name}"
    }
    if not names:
        raise ConfigError("lora: the base has no linear layers under `layers`")
    # For this task type PEFT trains and saves the head (`modules_to_save`: score) by itself.
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=sorted(names),
        layers_to_transform=(
            None if lora.top_layers is None else list(range(layers - lora.top_layers, layers))
        ),
    )
    return get_peft_model(model, config)


def _texts(pairs: Sequence[PreferencePair]) -> Iterable[str]:
    for pair in pairs:
        yield from (content for _, content in pair.messages)
        yield pair.chosen
        yield pair.rejected


def _train_tokenizer(texts: Iterable[str], vocabulary: int, max_length: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    turns = [f"<|{role}|>" for role in _ROLES]
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[_BEGIN, _END, _PADDING, *turns],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        bos_token=_BEGIN,
        eos_token=_END,
        pad_token=_PADDING,
        additional_special_tokens=turns,
        model_max_length=max_length,
        chat_template=_CHAT_TEMPLATE,
    )
