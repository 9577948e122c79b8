"""The engine of a reward-model ensemble: K Hugging Face sequence classifiers in one process.

Members that turn conversations into the same token ids share the tokenisation. Every member
runs every sample in padded micro-batches sorted by length. A member that fails on a sample
fails alone. Imports torch: used only inside an engine process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from rewardsvc.engines.conversation import (
    ConversationEncoder,
    Message,
    TooLong,
    Truncation,
)
from rewardsvc.engines.member import Member, load_member, one_line
from rewardsvc.engines.model_files import tokenizer_files_hash, tokenizer_hash
from rewardsvc.errors import ConfigError

__all__ = ["SequenceClassifierEngine"]


@dataclass(slots=True)
class _Encoded:
    """The samples of a request as one family of members reads them."""

    sequences: dict[int, list[int]] = field(default_factory=dict)
    """Token ids by sample."""
    failures: dict[int, str] = field(default_factory=dict)
    truncations: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Family:
    """Members that read the same token ids: equal tokenizers and lengths."""

    encoder: ConversationEncoder
    tokenizer_hash: str
    max_length: int
    vocabulary: int
    members: list[int]


class SequenceClassifierEngine:
    """Scores groups with every member.

    Args:
        members: model directories.
        dtype: auto, float32, bfloat16 or float16.
        device: a torch device, or auto: the first GPU if there is one, else the CPU.
        threads: torch's CPU threads; None leaves torch's choice.
        max_length: longest input in tokens; None is what each model takes.
        truncation: prompt_left or reject.
        token_budget: padded tokens in one forward pass.

    A request is `{"samples": [sample, …]}`, a sample
    `{"messages": [[role, content], …]}`, whose last message is the response, or
    `{"ids": [prompt, response], "hash": text}` with ids as little-endian int32 bytes.
    The reply has `scores`, float64 bytes of shape (samples, members) with NaN where a member
    failed, `failures` as [sample, member, reason], and `truncations` as [sample, reason].
    """

    def __init__(
        self,
        members: list[str],
        *,
        dtype: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        max_length: int | None = None,
        truncation: Truncation = "prompt_left",
        token_budget: int = 8192,
    ) -> None:
        self._directories = [Path(member) for member in members]
        self._dtype = dtype
        self._device = _device(device)
        self._threads = threads
        self._max_length = max_length
        self._truncation: Truncation = truncation
        self._token_budget = token_budget
        self._members: list[Member] = []
        self._families: list[_Family] = []

    def start(self) -> dict[str, Any]:
        """Loads every member and runs each once."""
        transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        families: dict[tuple[str, int], _Family] = {}
        for index, directory in enumerate(self._directories):
            member = load_member(
                directory, dtype=self._dtype, device=self._device, max_length=self._max_length
            )
            self._members.append(member)
            key = (tokenizer_files_hash(directory), member.max_length)
            if key not in families:
                families[key] = _Family(
                    ConversationEncoder(member.tokenizer),
                    tokenizer_hash(directory),
                    member.max_length,
                    member.vocabulary,
                    [],
                )
            families[key].members.append(index)
        self._families = list(families.values())
        self._warm_up()
        return {
            "device": str(self._device),
            "max_lengths": [member.max_length for member in self._members],
        }

    def _warm_up(self) -> None:
        """Runs every member once; one that raises would raise on every sample."""
        for member in self._members:
            _, failures = member.score([[0, 0, 0]], self._token_budget)
            if failures:
                raise ConfigError(f"{member.directory}: cannot score: {failures[0]}")

    def prepare(self, request: Any) -> tuple[int, list[_Encoded]]:
        """Tokenises the request's samples for each family of members."""
        samples = request["samples"]
        return len(samples), [self._encode(family, samples) for family in self._families]

    def run(self, work: tuple[int, list[_Encoded]]) -> dict[str, Any]:
        """Runs every member on every sample that could be encoded for it."""
        count, encoded = work
        scores = np.full((count, len(self._members)), np.nan)
        failures: list[tuple[int, int, str]] = []
        truncations: dict[int, str] = {}
        for family, inputs in zip(self._families, encoded, strict=True):
            truncations |= inputs.truncations
            samples = list(inputs.sequences)
            sequences = list(inputs.sequences.values())
            for member in family.members:
                failures += [(s, member, reason) for s, reason in inputs.failures.items()]
                column, failed = self._members[member].score(sequences, self._token_budget)
                scores[samples, member] = column
                failures += [(samples[i], member, reason) for i, reason in failed.items()]
        return {
            "scores": scores.tobytes(),
            "failures": failures,
            "truncations": list(truncations.items()),
        }

    def _encode(self, family: _Family, samples: Sequence[Any]) -> _Encoded:
        result = _Encoded()
        texts: dict[int, list[Message]] = {}
        for index, sample in enumerate(samples):
            if "messages" in sample:
                texts[index] = [{"role": r, "content": c} for r, c in sample["messages"]]
            else:
                self._take_ids(family, index, sample, result)
        for index, encoded in self._tokenise(family, texts, result.failures).items():
            messages = texts[index]
            try:
                fitted = family.encoder.fit(messages, encoded, family.max_length, self._truncation)
            except TooLong as error:
                result.failures[index] = f"too long: {error}"
                continue
            result.sequences[index] = fitted.ids
            if fitted.truncation:
                result.truncations[index] = fitted.truncation
        return result

    @staticmethod
    def _tokenise(
        family: _Family, texts: dict[int, list[Message]], failures: dict[int, str]
    ) -> dict[int, list[int]]:
        """Token ids by sample; where the chat template or the tokenizer refuses one, why."""
        try:
            return dict(zip(texts, family.encoder.encode(list(texts.values())), strict=True))
        except Exception:
            ids = {}
            for index, messages in texts.items():
                try:
                    (ids[index],) = family.encoder.encode([messages])
                except Exception as error:
                    failures[index] = f"cannot be tokenised: {one_line(error)}"
            return ids

    def _take_ids(self, family: _Family, index: int, sample: Any, result: _Encoded) -> None:
        """Takes token ids as they are: whoever made them has applied the chat template."""
        prompt, response = (np.frombuffer(ids, dtype="<i4") for ids in sample["ids"])
        ids = np.concatenate([prompt, response])
        if sample["hash"] != family.tokenizer_hash:
            result.failures[index] = (
                f"token ids were made with tokenizer {sample['hash']!r}, "
                f"but the model's is {family.tokenizer_hash!r}"
            )
        elif len(ids) == 0 or ids.min() < 0 or ids.max() >= family.vocabulary:
            result.failures[index] = f"token ids must be 1 or more in 0..{family.vocabulary - 1}"
        elif len(ids) <= family.max_length:
            result.sequences[index] = ids.tolist()
        elif self._truncation == "reject" or len(response) > family.max_length:
            result.failures[index] = (
                f"too long: {len(ids)} token ids, {len(response)} of them the response; "
                f"the model takes {family.max_length}"
            )
        else:
            excess = len(ids) - family.max_length
            result.sequences[index] = ids[excess:].tolist()
            result.truncations[index] = (
                f"the first {excess} of the prompt's {len(prompt)} token ids were dropped "
                f"to fit the model's {family.max_length}"
            )


def _device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
