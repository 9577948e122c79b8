"""What is in a model directory, checked before anything heavy is loaded.

A Hugging Face model directory here has config.json, tokenizer.json and weights in safetensors
only: a pickle (`*.bin`, `*.pt`) runs code when it is read.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from rewardsvc.errors import ConfigError

__all__ = ["check_head", "check_model_directory", "hash_files", "model_hash", "tokenizer_hash"]

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_CHUNK_BYTES = 1 << 22


def check_model_directory(directory: Path) -> None:
    """Checks that the files of a sequence classifier with one label are there.

    Raises:
        ConfigError: names the directory or file, what is missing or wrong, what is allowed.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such model directory")
    for name in ("config.json", "tokenizer.json"):
        if not (directory / name).is_file():
            raise ConfigError(f"{directory}: not a model directory: {name} is missing")
    if not any(directory.glob("*.safetensors")):
        others = sorted(p.name for p in directory.glob("*") if p.suffix in (".bin", ".pt", ".pth"))
        found = f" ({', '.join(others)} is not read: it could run code)" if others else ""
        raise ConfigError(f"{directory}: no weights: *.safetensors is missing{found}")
    _check_config(directory / "config.json")


def _check_config(path: Path) -> None:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: must be a JSON object")
    # As transformers reads it: the labels' names decide, then their number, else there are 2.
    names = config.get("id2label")
    labels = len(names) if isinstance(names, dict) else config.get("num_labels", 2)
    check_head(path, labels, bool(config.get("is_encoder_decoder")))


def check_head(config: Path, labels: object, encoder_decoder: bool) -> None:
    """Checks that a model gives one Bradley-Terry score a sequence.

    Raises:
        ConfigError: names the config.json and what is wrong with it.
    """
    if labels != 1:
        raise ConfigError(
            f"{config}: num_labels must be 1 (a Bradley-Terry score), not {labels} "
            "(transformers' default is 2)"
        )
    if encoder_decoder:
        raise ConfigError(
            f"{config}: is an encoder-decoder; a sequence classifier on an encoder or a decoder "
            "is needed"
        )


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


def tokenizer_hash(directory: Path) -> str:
    """The hash that `TokenIds.tokenizer_hash` must equal: SHA-256 of tokenizer.json, in hex."""
    return hashlib.sha256((directory / "tokenizer.json").read_bytes()).hexdigest()


def tokenizer_files_hash(directory: Path) -> str:
    """Equal for directories that turn every conversation into the same token ids."""
    files = [directory / name for name in _TOKENIZER_FILES if (directory / name).is_file()]
    return hash_files(*files)
