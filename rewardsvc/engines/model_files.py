"""What is in a model directory, checked before anything heavy is loaded.

A Hugging Face model directory here has config.json, tokenizer.json and weights in safetensors
only: a pickle (`*.bin`, `*.pt`) runs code when it is read.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from rewardsvc.errors import ConfigError

__all__ = ["check_model_directory", "hash_files", "model_hash", "tokenizer_hash"]

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_CHUNK_BYTES = 1 << 22


def check_model_directory(directory: Path) -> None:
    """Checks that the files of a sequence classifier are there.

    Raises:
        ConfigError: names the directory and what is missing.
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
