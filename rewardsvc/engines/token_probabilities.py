"""The engine of rewards made of token probabilities: log p of given text, token by token.

It continues conversations with given text and says how likely each token of it was, under one
model or several with the same tokenizer (a policy and its reference). Continuations of one
conversation share its pass. Text of a continuation is tokenised part by part, as plain text,
so that parts have exact boundaries and cannot spell control tokens. Imports torch: used only
inside an engine process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rewardsvc.engines.conversation import ConversationEncoder, Message
from rewardsvc.engines.loading import Settings, load_causal_model, one_line, prepare_torch
from rewardsvc.engines.members.member_set import TrunkFiles, open_files
from rewardsvc.engines.model_files import tokenizer_files_hash
from rewardsvc.engines.packed.layout import MicroBatch
from rewardsvc.engines.passes import TokenSequence, run_sequences
from rewardsvc.engines.truncation import TooLong, fit
from rewardsvc.errors import ConfigError

__all__ = ["TokenProbabilityEngine", "log_probabilities"]

_LOGITS_AT_A_TIME = 1 << 24
"""Numbers in one block of logits (64 MiB in float32): never tokens x vocabulary at once."""


@dataclass(frozen=True, slots=True)
class _Scored:
    """One continuation, ready to run."""

    sequence: TokenSequence
    starts: list[int]
    """Where each scored token begins, in characters of its part."""
    counts: list[int]
    """Scored tokens of each scored part."""
    truncation: str


class TokenProbabilityEngine:
    """Log-probabilities of continuations.

    Args:
        models: Directories of causal language models with the same tokenizer.
        settings: Fields of Settings.
        truncation: prompt_left drops the conversation's first tokens where it is too long,
            reject does not.

    A request is `{"contexts": [context, …]}`, a context
    `{"messages": [[role, content], …], "turn": "assistant" | "user" | "none",
    "continuations": [[[text, scored], …], …]}`: the conversation up to where the next message
    of that role begins (for `none`: nothing but the beginning of a sequence), and texts that
    may follow, in parts, of which some are scored.
    The reply has, for each context, for each continuation `{"failure": reason}` or
    `{"log_probabilities": [float64 bytes a model], "starts": int32 bytes, "counts": [tokens of
    each scored part], "truncation": text}`.
    """

    def __init__(
        self, models: Sequence[str], settings: Mapping[str, Any], truncation: str = "prompt_left"
    ) -> None:
        self._directories = [Path(model) for model in models]
        self._settings = Settings(**settings)
        self._reject = truncation == "reject"
        self._models: list[TrunkFiles] = []

    def start(self) -> dict[str, Any]:
        """Loads the models, and checks that they agree on tokens and with themselves."""
        prepare_torch(self._settings)
        for directory in self._directories:
            model = load_causal_model(directory, self._settings)
            self._models.append(open_files(directory, model, self._settings))
            _check_probabilities(self._models[-1])
        first = self._directories[0]
        for directory in self._directories[1:]:
            if tokenizer_files_hash(directory) != tokenizer_files_hash(first):
                raise ConfigError(
                    f"{directory}: its tokenizer differs from that of {first}; log-ratios need "
                    "the same tokens"
                )
        self._encoder = ConversationEncoder(self._models[0].tokenizer)
        self._max_length = min(files.max_length for files in self._models)
        self._vocabulary = min(files.vocabulary for files in self._models)
        return {
            "device": str(self._settings.torch_device),
            "engine": "; ".join(dict.fromkeys(files.open.engine for files in self._models)),
            "dtype": str(self._models[0].model.dtype).removeprefix("torch."),
        }

    def prepare(self, request: Any) -> list[list[_Scored | str]]:
        """Tokenises the request's continuations; text in place of one that cannot be."""
        work: list[list[_Scored | str]] = []
        alike: dict[Any, int] = {}
        for context in request["contexts"]:
            conversation = (context["turn"], *map(tuple, context["messages"]))
            number = alike.setdefault(conversation, len(alike))
            try:
                before = self._context(context)
            except Exception as error:
                reason = f"cannot be tokenised: {one_line(error)}"
                work.append([reason for _ in context["continuations"]])
                continue
            work.append(
                [self._continue(before, parts, number) for parts in context["continuations"]]
            )
        return work

    def run(self, work: list[list[_Scored | str]]) -> dict[str, Any]:
        """Runs every model on every continuation."""
        scored = [item for context in work for item in context if isinstance(item, _Scored)]
        sequences = [item.sequence for item in scored]
        found: list[list[NDArray[np.float64]]] = []
        failures: dict[int, str] = {}
        for files in self._models:
            values, failed = self._run(files, sequences)
            found.append(values)
            failures |= failed
        replies = iter(
            {"failure": failures[index]}
            if index in failures
            else {
                "log_probabilities": [values[index].tobytes() for values in found],
                "starts": np.array(item.starts, dtype="<i4").tobytes(),
                "counts": item.counts,
                "truncation": item.truncation,
            }
            for index, item in enumerate(scored)
        )
        return {
            "contexts": [
                [{"failure": item} if isinstance(item, str) else next(replies) for item in context]
                for context in work
            ]
        }

    def _run(
        self, files: TrunkFiles, sequences: Sequence[TokenSequence]
    ) -> tuple[list[NDArray[np.float64]], dict[int, str]]:
        @torch.inference_mode()
        def compute(batch: MicroBatch, owners: NDArray[np.int64]) -> Tensor:
            hidden = files.open.trunk.hidden(batch)
            positions = batch.read_positions.tolist()
            targets = [
                sequences[owner].ids[position + 1]
                for owner, position in zip(owners.tolist(), positions, strict=True)
            ]
            chosen = torch.tensor(targets, device=hidden.device)
            if not self._settings.deterministic:
                return log_probabilities(files.model, hidden, chosen)
            # A sequence's blocks are its own: their sizes decide how they are rounded.
            bounds = np.flatnonzero(np.diff(owners, prepend=-1, append=-1)).tolist()
            return torch.cat(
                [
                    log_probabilities(files.model, hidden[a:b], chosen[a:b])
                    for a, b in pairwise(bounds)
                ]
            )

        return run_sequences(
            sequences,
            compute,
            token_budget=self._settings.token_budget,
            share_prefix=files.open.packed is not None,
        )

    def _context(self, context: Mapping[str, Any]) -> list[int]:
        messages: list[Message] = [{"role": r, "content": c} for r, c in context["messages"]]
        if context["turn"] == "assistant":
            return self._encoder.with_open_turn(messages)
        if context["turn"] == "user":
            return self._encoder.before_last([*messages, {"role": "user", "content": ""}])
        tokenizer = self._models[0].tokenizer
        for beginning in (tokenizer.bos_token_id, tokenizer.eos_token_id):
            if beginning is not None:
                return [int(beginning)]
        raise ValueError("the tokenizer has no token to begin a sequence with")

    def _continue(
        self, before: list[int], parts: Sequence[tuple[str, bool]], group: int
    ) -> _Scored | str:
        ids, counts = list(before), []
        reads: list[int] = []
        starts: list[int] = []
        try:
            for text, scored in parts:
                added, offsets = self._encoder.encode_with_offsets(text)
                if scored:
                    reads += range(len(ids) - 1, len(ids) - 1 + len(added))
                    starts += offsets
                    counts.append(len(added))
                ids += added
        except Exception as error:
            return f"cannot be tokenised: {one_line(error)}"
        if not reads:
            return "there are no tokens to score"
        if max(ids) >= self._vocabulary:
            return f"token id {max(ids)} has no embedding: the model has {self._vocabulary}"
        # The prompt's last token stays: the first token's probability is read there.
        droppable = min(reads[0], len(before) - 1)
        begins = self._encoder.begins(before)
        try:
            fitted = fit(
                ids,
                droppable,
                self._max_length,
                "reject" if self._reject else "prompt_left",
                begins=begins,
            )
        except TooLong as error:
            return f"too long: {error}"
        dropped = len(ids) - len(fitted.ids)
        return _Scored(
            TokenSequence(fitted.ids, [read - dropped for read in reads], group),
            starts,
            counts,
            fitted.truncation,
        )


def log_probabilities(model: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """log p of each target token, (rows,), from the hidden states (rows, hidden) before it.

    In blocks of rows, so that logits of all rows and the whole vocabulary are never held.
    """
    head = model.get_output_embeddings()
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    rows = max(1, _LOGITS_AT_A_TIME // int(head.weight.shape[0]))
    blocks = []
    for first in range(0, len(hidden), rows):
        logits = head(hidden[first : first + rows])
        if cap:
            logits = torch.tanh(logits / cap) * cap
        logits = logits.float()
        chosen = logits.gather(1, targets[first : first + rows, None])[:, 0]
        blocks.append(chosen - torch.logsumexp(logits, dim=1))
    return torch.cat(blocks) if blocks else hidden.new_empty(0)


@torch.inference_mode()
def _check_probabilities(files: TrunkFiles) -> None:
    """Refuses a model that makes more of its hidden states than `log_probabilities` does."""
    model = files.model
    ids = torch.arange(1, 6, device=model.device)[None] % files.vocabulary
    own = torch.log_softmax(model(input_ids=ids).logits[0, :-1].float(), dim=-1)
    own = own.gather(1, ids[0, 1:, None])[:, 0]
    hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0, :-1]
    ours = log_probabilities(model, hidden, ids[0, 1:])
    if not torch.allclose(own, ours, rtol=0.01, atol=0.05):
        raise ConfigError(
            f"{files.directory}: its probabilities are not those of its output embedding "
            f"({own.tolist()} against {ours.tolist()})"
        )
