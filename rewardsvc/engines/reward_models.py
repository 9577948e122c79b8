"""The engine of a reward-model ensemble: every member on every sample, in packed passes.

Requests carry groups, so that a prompt is read once and computed once for all its responses;
groups with equal prompts, from whichever callers, are computed together. Members that turn
samples into the same token ids share the tokenisation, and members of one trunk its pass. A
member that fails on a sample fails alone. Imports torch: used only inside an engine process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from rewardsvc.engines.conversation import Message
from rewardsvc.engines.families import FAMILIES, Family, Readable, Reader, Reading, Unreadable
from rewardsvc.engines.loading import Settings, prepare_torch
from rewardsvc.engines.members import MemberSet, Source, load_members
from rewardsvc.engines.model_files import tokenizer_files_hash, tokenizer_hash
from rewardsvc.engines.passes import TokenSequence
from rewardsvc.engines.token_ids import read_token_ids
from rewardsvc.engines.truncation import Truncation
from rewardsvc.errors import ConfigError

__all__ = ["RewardModelEngine"]


@dataclass(slots=True)
class _Encoded:
    """A request's samples as the members with one tokenizer read them."""

    sequences: list[TokenSequence] = field(default_factory=list)
    highest: list[int] = field(default_factory=list)
    """The highest token id of each sequence."""
    owners: list[int] = field(default_factory=list)
    """The sample of each sequence; samples are scored by the best of theirs."""
    failures: dict[int, str] = field(default_factory=dict)
    truncations: dict[int, str] = field(default_factory=dict)
    warnings: dict[int, str] = field(default_factory=dict)

    def add(self, sample: int, group: int, readings: Sequence[Reading | Unreadable]) -> None:
        """Takes a sample's readings; one that failed fails the sample."""
        for reading in readings:
            if isinstance(reading, Unreadable):
                self.failures[sample] = reading.reason
                return
        for reading in readings:
            assert isinstance(reading, Reading)
            ids = reading.ids
            if not ids:
                self.failures[sample] = "there are no tokens to read"
                return
            self.sequences.append(TokenSequence(ids, (len(ids) - 1,), group))
            self.highest.append(max(ids))
            self.owners.append(sample)
            if reading.truncation:
                self.truncations[sample] = reading.truncation
            if reading.warning:
                self.warnings[sample] = reading.warning


@dataclass(frozen=True, slots=True)
class _Tokenisation:
    """What members with equal tokenizers and lengths share."""

    reader: Reader
    tokenizer_hash: str
    max_length: int
    vocabulary: int
    sets: list[int]


class RewardModelEngine:
    """Scores groups with every member.

    Args:
        family: How the models read a sample, one of FAMILIES.
        kind: Where the members come from, one of MEMBER_KINDS.
        source: Fields of Source.
        settings: Fields of Settings.
        truncation: prompt_left, response_middle or reject.

    A request is `{"groups": [group, …]}`, a group
    `{"messages": [[role, content], …], "responses": [text, …], "references": [[text, …], …]}`
    or, in token ids as little-endian int32 bytes,
    `{"ids": prompt, "hash": tokenizer hash, "responses": [bytes, …]}`.
    The reply has `outputs`, float64 bytes of shape (samples, members, outputs) with NaN where
    a member failed, `failures` as [sample, member, reason], and `truncations` and `warnings`
    as [sample, text].
    """

    def __init__(
        self,
        family: str,
        kind: str,
        source: Mapping[str, Any],
        settings: Mapping[str, Any],
        truncation: Truncation = "prompt_left",
    ) -> None:
        self._family: Family = FAMILIES[family]
        self._kind = kind
        self._source = Source(**source)
        self._settings = Settings(**settings)
        self._truncation: Truncation = truncation
        self._sets: list[MemberSet] = []
        self._columns: list[slice] = []
        self._tokenisations: list[_Tokenisation] = []

    def start(self) -> dict[str, Any]:
        """Loads every member and runs each once."""
        prepare_torch(self._settings)
        self._sets = load_members(self._kind, self._source, self._settings)
        ends = np.cumsum([0, *(members.count for members in self._sets)]).tolist()
        self._columns = [slice(a, b) for a, b in pairwise(ends)]
        shared: dict[tuple[str, int], _Tokenisation] = {}
        for index, members in enumerate(self._sets):
            files = members.trunk
            key = (tokenizer_files_hash(files.directory), files.max_length)
            if key not in shared:
                shared[key] = _Tokenisation(
                    self._family.reader(files.tokenizer, files.max_length, self._truncation),
                    tokenizer_hash(files.directory),
                    files.max_length,
                    files.vocabulary,
                    [],
                )
            shared[key].sets.append(index)
        self._tokenisations = list(shared.values())
        self._warm_up()
        return {
            "device": str(self._settings.torch_device),
            "engine": "; ".join(dict.fromkeys(m.trunk.open.engine for m in self._sets)),
            "dtype": "; ".join(
                dict.fromkeys(str(m.trunk.model.dtype).removeprefix("torch.") for m in self._sets)
            ),
            "facts": {key: value for m in self._sets for key, value in m.facts.items()},
        }

    def _warm_up(self) -> None:
        """Runs every member once; one that raises would raise on every sample."""
        for members in self._sets:
            probe = TokenSequence([0, 0, 0], (2,), 0)
            _, failures = members.scores([probe], self._settings.token_budget)
            if failures:
                raise ConfigError(f"{members.trunk.directory}: cannot score: {failures[0]}")

    def prepare(self, request: Any) -> tuple[int, list[_Encoded]]:
        """Tokenises the request's samples for each tokenizer."""
        groups = request["groups"]
        count = sum(len(group["responses"]) for group in groups)
        return count, [self._encode(shared, groups) for shared in self._tokenisations]

    def run(self, work: tuple[int, list[_Encoded]]) -> dict[str, Any]:
        """Runs every member on every sample that could be encoded for it."""
        count, encoded = work
        members = self._columns[-1].stop
        outputs = np.full((count, members, self._source.outputs), np.nan)
        failures: dict[tuple[int, int], str] = {}
        truncations: dict[int, str] = {}
        warnings: dict[int, str] = {}
        for shared, inputs in zip(self._tokenisations, encoded, strict=True):
            truncations |= inputs.truncations
            warnings |= inputs.warnings
            for index in shared.sets:
                failed = self._run_set(index, inputs, outputs)
                for sample, reason in (inputs.failures | failed).items():
                    for member in range(members)[self._columns[index]]:
                        failures[sample, member] = reason
        for sample, member in failures:
            outputs[sample, member] = np.nan
        return {
            "outputs": outputs.tobytes(),
            "failures": [(sample, member, reason) for (sample, member), reason in failures.items()],
            "truncations": list(truncations.items()),
            "warnings": list(warnings.items()),
        }

    def _run_set(self, index: int, inputs: _Encoded, outputs: Any) -> dict[int, str]:
        """Writes a set's outputs of all samples; returns why it failed on some."""
        members = self._sets[index]
        vocabulary = members.trunk.vocabulary
        failures: dict[int, str] = {}
        # Looked up on a GPU, an id that has no embedding takes the whole process down.
        readable = [i for i, highest in enumerate(inputs.highest) if highest < vocabulary]
        if len(readable) < len(inputs.highest):
            for owner, highest in zip(inputs.owners, inputs.highest, strict=True):
                if highest >= vocabulary:
                    failures[owner] = (
                        f"token id {highest} has no embedding: the model has {vocabulary}"
                    )
        sequences = [inputs.sequences[i] for i in readable]
        found, failed = members.scores(sequences, self._settings.token_budget)
        owners = [inputs.owners[i] for i in readable]
        failures |= {owners[i]: reason for i, reason in failed.items()}
        columns = outputs[:, self._columns[index]]
        # Several readings of a sample (one a reference): the best counts. fmax passes NaN over,
        # which is right for a sample not yet written; a failed reading is a failure above.
        np.fmax.at(columns, owners, found)
        return failures

    def _encode(self, shared: _Tokenisation, groups: Sequence[Any]) -> _Encoded:
        encoded = _Encoded()
        alike: dict[Any, int] = {}
        texts: list[tuple[int, int, Readable]] = []
        sample = 0
        for group in groups:
            responses = group["responses"]
            prompt: Any = group["ids"] if "ids" in group else tuple(map(tuple, group["messages"]))
            number = alike.setdefault(prompt, len(alike))
            if "ids" in group:
                for offset, response in enumerate(responses):
                    reading = read_token_ids(
                        prompt,
                        response,
                        group["hash"],
                        wanted_hash=shared.tokenizer_hash,
                        vocabulary=shared.vocabulary,
                        max_length=shared.max_length,
                        truncation=self._truncation,
                    )
                    encoded.add(sample + offset, number, [reading])
            else:
                messages: list[Message] = [{"role": r, "content": c} for r, c in prompt]
                readable = Readable(messages, responses, group.get("references", ()))
                texts.append((sample, number, readable))
            sample += len(responses)
        read = shared.reader.read([readable for _, _, readable in texts])
        for (first, number, _), samples in zip(texts, read, strict=True):
            for offset, readings in enumerate(samples):
                encoded.add(first + offset, number, readings)
        return encoded
