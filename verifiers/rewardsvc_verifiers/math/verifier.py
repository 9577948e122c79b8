"""The cascade: extract, compare cheap to dear, and say why.

`attempt` runs every in-process stage and always returns fast; what is left for the symbolic
stage comes back as a `SymbolicTask`, to be run in a killable worker.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.extract import extract, reference_answer
from rewardsvc_verifiers.math.parser import parse_tokens
from rewardsvc_verifiers.math.policy import MathPolicy
from rewardsvc_verifiers.math.tokens import canonical_key, tokenize
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, NotMathematics
from rewardsvc_verifiers.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from rewardsvc_verifiers.workers import WorkerPool


@dataclass(frozen=True, slots=True)
class PreparedReference:
    """One or several references, parsed once."""

    references: tuple[str, ...]
    keys: tuple[str, ...]
    nodes: tuple[Node | None, ...]


@dataclass(frozen=True, slots=True)
class SymbolicTask:
    """What is left for the symbolic stage: submit to a WorkerPool, then `resolve`."""

    job: str
    payload: dict[str, Any]
    undecided: Verdict


class MathVerifier:
    """Verifies mathematical answers under one policy."""

    def __init__(self, policy: MathPolicy | None = None, pool: WorkerPool | None = None) -> None:
        self.policy = policy or MathPolicy()
        self.pool = pool
        self._prepare = lru_cache(maxsize=4096)(self._prepare_uncached)

    def prepare(self, reference: str | Sequence[str]) -> PreparedReference:
        """Parse a reference, or several of which any may be matched."""
        references = (reference,) if isinstance(reference, str) else tuple(reference)
        return self._prepare(references)

    def _prepare_uncached(self, references: tuple[str, ...]) -> PreparedReference:
        readings = [_read(reference_answer(reference)) for reference in references]
        return PreparedReference(
            references, tuple(key for key, _ in readings), tuple(node for _, node in readings)
        )

    def attempt(self, response: str, prepared: PreparedReference) -> Verdict | SymbolicTask:
        """All in-process stages: bounded, never blocking."""
        found = extract(response, self.policy.tail_characters)
        if found.answer is None:
            return Verdict(Outcome.NO_ANSWER, found.problem, "extraction", policy=self.policy.name)
        key, node = _read(found.answer)
        value = exact(node) if node is not None else None
        undecided = False
        for reference, other_key, other in zip(
            prepared.references, prepared.keys, prepared.nodes, strict=True
        ):
            if key == other_key:
                return self._verdict(
                    Outcome.CORRECT, "the answer is written as the reference", "string",
                    found.answer, reference,
                )  # fmt: skip
            other_value = exact(other) if other is not None else None
            if value is None or other_value is None:
                undecided = True
            elif value == other_value:
                return self._verdict(
                    Outcome.CORRECT, f"{found.answer} equals {reference} exactly", "numeric",
                    found.answer, reference,
                )  # fmt: skip
        if undecided:
            return self._verdict(
                Outcome.UNDECIDED, "no stage could compare these", "typed", found.answer, None
            )
        return self._verdict(
            Outcome.INCORRECT, f"{found.answer} is another number", "numeric", found.answer, None
        )

    def _verdict(
        self, outcome: Outcome, reason: str, stage: str, answer: str, reference: str | None
    ) -> Verdict:
        return Verdict(outcome, reason, stage, answer, reference, policy=self.policy.name)

    def verify(self, response: str, reference: str | Sequence[str]) -> Verdict:
        """Verify one response; waits for the symbolic stage when there is a pool."""
        result = self.attempt(response, self.prepare(reference))
        return result if isinstance(result, Verdict) else result.undecided

    def verify_group(
        self, responses: Sequence[str], reference: str | Sequence[str]
    ) -> list[Verdict]:
        """Verify all responses to one prompt; the reference is parsed once."""
        return [self.verify(response, reference) for response in responses]

    def verify_pairs(self, pairs: Iterable[tuple[str, str | Sequence[str]]]) -> list[Verdict]:
        """Verify (response, reference) pairs; each distinct reference is parsed once."""
        return [self.verify(response, reference) for response, reference in pairs]


def _read(text: str) -> tuple[str, Node | None]:
    node = None
    key = text.strip()
    with contextlib.suppress(NotMathematics, LimitExceeded, RecursionError):
        tokens = tokenize(text)
        key = canonical_key(tokens)
        node = parse_tokens(tokens)
    return key, node
