"""What is in a model directory, checked before anything heavy is loaded.

A Hugging Face model directory here has config.json, tokenizer.json and weights in safetensors
only: a pickle (`*.bin`, `*.pt`) runs code when it is read.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rewardsvc.errors import ConfigError

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "adapter_hash",
    "check_adapter_directory",
    "check_model_directory",
    "check_one_output",
    "hash_files",
    "labels_of",
    "model_hash",
    "read_json",
    "tokenizer_files_hash",
    "tokenizer_hash",
]

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_ADAPTER_KEYS: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "use_dora": (False,),
    "lora_bias": (False,),
    "layer_replication": (None,),
}
"""What an adapter's configuration may say; the first is also what silence means."""

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_CHUNK_BYTES = 1 << 22


def check_model_directory(directory: Path) -> None:
    """Checks that the files of a model are there.

    Raises:
        ConfigError: names the directory or file, what is missing or wrong, what is allowed.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such model directory")
    for name in ("config.json", "tokenizer.json"):
        if not (directory / name).is_file():
            raise ConfigError(f"{directory}: not a model directory: {name} is missing")
    _check_weights(directory, "*.safetensors")


def check_adapter_directory(directory: Path) -> None:
    """Checks that the files of a PEFT LoRA adapter are there.

    Raises:
        ConfigError: names the directory or file, what is missing or wrong, what is allowed.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such adapter directory")
    if not (directory / ADAPTER_CONFIG).is_file():
        raise ConfigError(f"{directory}: not an adapter directory: {ADAPTER_CONFIG} is missing")
    _check_weights(directory, ADAPTER_WEIGHTS)
    config = read_json(directory / ADAPTER_CONFIG)
    for key, allowed in _ADAPTER_KEYS.items():
        if config.get(key, allowed[0]) not in allowed:
            raise ConfigError(
                f"{directory / ADAPTER_CONFIG}: {key}: is {config[key]!r}; served is "
                f"{' or '.join(map(repr, allowed))}"
            )


def labels_of(directory: Path) -> tuple[str, ...]:
    """The names of a sequence classifier's outputs, in their order.

    Raises:
        ConfigError: names the config.json and what is wrong with it.
    """
    path = directory / "config.json"
    config = read_json(path)
    if config.get("is_encoder_decoder"):
        raise ConfigError(
            f"{path}: is an encoder-decoder; a sequence classifier on an encoder or a decoder "
            "is needed"
        )
    # As transformers reads it: the labels' names decide, then their number, else there are 2.
    names = config.get("id2label")
    if isinstance(names, dict):
        try:
            return tuple(str(names[key]) for key in sorted(names, key=int))
        except ValueError:
            raise ConfigError(f"{path}: id2label: keys must be numbers, not {names}") from None
    count = config.get("num_labels", 2)
    return tuple(f"LABEL_{number}" for number in range(count if isinstance(count, int) else 0))


def check_one_output(directory: Path) -> None:
    """Raises ConfigError for a sequence classifier with more or less than one label."""
    labels = len(labels_of(directory))
    if labels != 1:
        raise ConfigError(
            f"{directory / 'config.json'}: num_labels must be 1 (one score), not {labels} "
            "(transformers' default is 2); several are for family: attributes"
        )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; ConfigError where the file holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a JSON object")
    return content


def _check_weights(directory: Path, pattern: str) -> None:
    if not any(directory.glob(pattern)):
        others = sorted(p.name for p in directory.glob("*") if p.suffix in (".bin", ".pt", ".pth"))
        found = f" ({', '.join(others)} is not read: it could run code)" if others else ""
        raise ConfigError(f"{directory}: no weights: {pattern} is missing{found}")


def hash_files(*files: Path) -> str:
    """SHA-256 over the names and contents of files, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def model_hash(directory: Path) -> str:
    """Hash of everything that decides a model's scores: weights, config and tokenizer."""
    tokenizer = [directory / name for name in _TOKENIZER_FILES if (directory / name).is_file()]
    weights = sorted(directory.glob("*.safetensors"))
    return hash_files(directory / "config.json", *tokenizer, *weights)


def adapter_hash(directory: Path) -> str:
    """Hash of everything that decides an adapter's scores on a given trunk."""
    return hash_files(directory / ADAPTER_CONFIG, directory / ADAPTER_WEIGHTS)


def tokenizer_hash(directory: Path) -> str:
    """The hash that `TokenIds.tokenizer_hash` must equal: SHA-256 of tokenizer.json, in hex."""
    return hashlib.sha256((directory / "tokenizer.json").read_bytes()).hexdigest()


def tokenizer_files_hash(directory: Path) -> str:
    """Equal for directories that turn every conversation into the same token ids."""
    files = [directory / name for name in _TOKENIZER_FILES if (directory / name).is_file()]
    return hash_files(*files)
