"""The cascade: extract, compare cheap to dear, and say why.

`attempt` runs every in-process stage and always returns fast; what is left for the symbolic
stage comes back as a `SymbolicTask`, to be run in a killable worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.answer_types import answer_type
from rewardsvc_verifiers.math.compare_answers import ALIKE, judge_readings
from rewardsvc_verifiers.math.extract import extract, reference_answer
from rewardsvc_verifiers.math.judgement import PARSE, TYPED, Judgement, unknown
from rewardsvc_verifiers.math.policy import MathPolicy
from rewardsvc_verifiers.math.reading import Reading, complete, read, scan
from rewardsvc_verifiers.math.symbolic import SymbolicTask
from rewardsvc_verifiers.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from rewardsvc_verifiers.workers import WorkerPool

_CACHED_REFERENCES = 8192
_SHORT = 60
_OUTCOMES = {
    True: (Outcome.CORRECT, "matches"),
    False: (Outcome.INCORRECT, "is not"),
    None: (Outcome.UNDECIDED, "may or may not be"),
}


@dataclass(frozen=True, slots=True)
class PreparedReference:
    """One or several references of which any may be matched, parsed once."""

    references: tuple[str, ...]
    """As given."""
    readings: tuple[Reading, ...]
    answer_types: tuple[str, ...]


class MathVerifier:
    """Verifies mathematical answers under one policy; safe to share between threads.

    `pool` runs the symbolic stage. Without one, pairs that only that stage could decide are
    undecided.
    """

    def __init__(self, policy: MathPolicy | None = None, pool: WorkerPool | None = None) -> None:
        self.policy = policy or MathPolicy()
        self.pool = pool
        self._prepare = lru_cache(maxsize=_CACHED_REFERENCES)(self._read_references)

    def prepare(self, reference: str | Sequence[str]) -> PreparedReference:
        """Parse a reference, or several of which any may be matched (cached).

        Raises ValueError when there is none, or when one is empty.
        """
        references = (reference,) if isinstance(reference, str) else tuple(reference)
        return self._prepare(references)

    def _read_references(self, references: tuple[str, ...]) -> PreparedReference:
        if not references:
            raise ValueError("reference: at least one is needed, none was given")
        readings = []
        for reference in references:
            answer = reference_answer(reference)
            if not answer:
                raise ValueError("reference: it is empty; give the expected answer")
            readings.append(read(answer, self.policy.maximum_answer_characters))
        return PreparedReference(
            references, tuple(readings), tuple(answer_type(reading) for reading in readings)
        )

    def attempt(self, response: str, prepared: PreparedReference) -> Verdict | SymbolicTask:
        """Every in-process stage: bounded, never blocking on another process.

        Returns a verdict, or the task that the symbolic stage has still to decide.
        """
        found = extract(response, self.policy.tail_characters)
        if found.answer is None:
            return Verdict(
                Outcome.NO_ANSWER, found.problem, "extraction",
                answer_type=prepared.answer_types[0], policy=self.policy.name,
            )  # fmt: skip
        scanned = scan(found.answer, self.policy.maximum_answer_characters)
        if found.contradiction is None:
            for index, reference in enumerate(prepared.readings):
                if scanned.key == reference.key:
                    alike = Reading(found.answer, scanned.key)
                    return self._verdict(ALIKE, alike, prepared, index)
        reading = complete(scanned)
        if found.channel == "bare" and _is_prose(reading, prepared):
            return Verdict(
                Outcome.NO_ANSWER, "the response declares no final answer", "extraction",
                answer_type=prepared.answer_types[0], policy=self.policy.name,
            )  # fmt: skip
        result = self._judge(reading, prepared)
        if found.contradiction is not None and _is_correct(result):
            later = self._judge(
                read(found.contradiction, self.policy.maximum_answer_characters), prepared
            )
            if not _is_correct(later):
                return self._verdict(
                    Judgement(
                        False, "extraction",
                        f"the response declares two final answers, {_short(found.answer)} and "
                        f"{_short(found.contradiction)}",
                    ), reading, prepared, 0,
                )  # fmt: skip
        return result

    def _judge(self, reading: Reading, prepared: PreparedReference) -> Verdict | SymbolicTask:
        """The best judgement over all references: equal, then undecided, then different."""
        undecided: tuple[Judgement, int] | None = None
        refused: tuple[Judgement, int] | None = None
        candidates: list[int] = []
        for index, reference in enumerate(prepared.readings):
            judgement = self._compare(reference, reading)
            if judgement.equal:
                return self._verdict(judgement, reading, prepared, index)
            if judgement.equal is None:
                if judgement.symbolic:
                    candidates.append(index)
                undecided = undecided or (judgement, index)
            else:
                refused = refused or (judgement, index)
        judgement, index = undecided or refused or (Judgement(None, PARSE, "no reference"), 0)
        verdict = self._verdict(judgement, reading, prepared, index)
        if candidates and reading.node is not None:
            pairs = tuple(
                (tree.to_json(node), tree.to_json(reading.node))
                for node in (prepared.readings[candidate].node for candidate in candidates)
                if node is not None
            )
            if pairs:
                return SymbolicTask(
                    pairs, verdict, tuple(prepared.references[i] for i in candidates),
                    open_references=len(prepared.readings) > len(candidates)
                    and undecided is not None
                    and any(
                        self._compare(prepared.readings[i], reading).equal is None
                        for i in range(len(prepared.readings))
                        if i not in candidates
                    ),
                )  # fmt: skip
        return verdict

    def _compare(self, reference: Reading, answer: Reading) -> Judgement:
        """Trouble of the verifier's own is a judgement too: no sample takes a batch down."""
        try:
            return judge_readings(reference, answer, self.policy)
        except Exception as problem:
            return unknown(f"the verifier failed: {type(problem).__name__}: {str(problem)[:100]}")

    def _verdict(
        self, judgement: Judgement, reading: Reading, prepared: PreparedReference, index: int
    ) -> Verdict:
        outcome, relation = _OUTCOMES[judgement.equal]
        answer, reference = _short(reading.text), _short(prepared.readings[index].text)
        several = len(prepared.references) > 1
        return Verdict(
            outcome,
            f"{answer} {relation} {reference}: {judgement.reason}",
            judgement.stage,
            reading.text,
            prepared.references[index] if several or judgement.equal else None,
            prepared.answer_types[index],
            self.policy.name,
        )

    def verify(self, response: str, reference: str | Sequence[str]) -> Verdict:
        """Verify one response; waits for the symbolic stage when there is a pool."""
        return self.verify_pairs([(response, reference)])[0]

    def verify_group(
        self, responses: Sequence[str], reference: str | Sequence[str]
    ) -> list[Verdict]:
        """Verify all responses to one prompt; the reference is parsed once."""
        return self.verify_pairs([(response, reference) for response in responses])

    def verify_pairs(self, pairs: Iterable[tuple[str, str | Sequence[str]]]) -> list[Verdict]:
        """Verify (response, reference) pairs in order.

        Each distinct reference is parsed once; symbolic tasks run side by side on the pool's
        workers while the rest is compared. Trouble with one pair, such as an empty reference,
        is an `error` verdict of that pair.
        """
        verdicts: list[Verdict] = []
        waiting = []
        for position, (response, reference) in enumerate(pairs):
            try:
                result = self.attempt(response, self.prepare(reference))
            except ValueError as problem:
                result = Verdict(Outcome.ERROR, str(problem), PARSE, policy=self.policy.name)
            if isinstance(result, SymbolicTask):
                if self.pool is not None:
                    waiting.append((position, result, result.submit(self.pool)))
                result = result.undecided
            verdicts.append(result)
        for position, task, future in waiting:
            verdicts[position] = task.resolve(future.result())
        return verdicts


def _is_correct(result: Verdict | SymbolicTask) -> bool:
    return isinstance(result, Verdict) and result.outcome is Outcome.CORRECT


def _is_prose(reading: Reading, prepared: PreparedReference) -> bool:
    """Whether an undeclared response is a sentence rather than an answer."""
    if reading.node is not None and not reading.words:
        return False
    if any(kind in ("text", "choice", "labelled") for kind in prepared.answer_types):
        return False
    return len(reading.words.split()) > 4 and reading.node is None


def _short(text: str) -> str:
    if len(text) < _SHORT and text.isprintable() and "  " not in text:
        return text.strip()
    line = " ".join(text[: 2 * _SHORT].split())
    return line if len(line) <= _SHORT else line[: _SHORT - 3] + "..."


def with_reference(verdict: Verdict, reference: str | None) -> Verdict:
    """The verdict naming the reference that decided."""
    return replace(verdict, reference=reference)


__all__ = ["TYPED", "MathVerifier", "PreparedReference", "SymbolicTask", "with_reference"]
