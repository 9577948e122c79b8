"""What the in-process stages leave to a killable worker, and how its answer is read."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from rewardsvc_verifiers.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from rewardsvc_verifiers.workers import JobResult, WorkerPool

JOB: Final = "math.symbolic"
STAGE: Final = "symbolic"


@dataclass(frozen=True, slots=True)
class SymbolicTask:
    """Pairs of trees of which any may be equal: `submit` to a pool, then `resolve`.

    An event loop awaits `asyncio.wrap_future(task.submit(pool))`.
    """

    pairs: tuple[tuple[list[Any], list[Any]], ...]
    """(reference, answer) trees as JSON."""
    undecided: Verdict
    """The verdict when the symbolic stage is off or cannot tell."""
    references: tuple[str, ...] = ()
    """The reference of each pair, as given."""
    open_references: bool = False
    """Whether another reference stays undecided whatever the pairs turn out to be."""

    @property
    def job(self) -> str:
        """The name of the job in the workers' table."""
        return JOB

    @property
    def payload(self) -> Any:
        """The job's JSON value."""
        return {"pairs": self.pairs}

    def submit(self, pool: WorkerPool) -> Future[JobResult]:
        """Queue the task; the Future ends with a JobResult for `resolve`."""
        return pool.submit(JOB, self.payload)

    def resolve(self, result: JobResult) -> Verdict:
        """The verdict that the worker's answer amounts to; undecided unless it decided."""
        head = self.undecided.reason.split(": ", 1)[0]
        if result.status != "ok":
            reason = f"{head}: the symbolic stage ended with {result.status}: {result.message}"
            return replace(self.undecided, stage=STAGE, reason=reason)
        answers = result.value.get("results") if isinstance(result.value, dict) else None
        if not isinstance(answers, list) or len(answers) != len(self.pairs):
            return replace(
                self.undecided, stage=STAGE, reason=f"{head}: the symbolic stage gave no answer"
            )
        verdicts = []
        for index, answer in enumerate(answers):
            equal, why = _read(answer)
            if equal:
                return replace(
                    self.undecided,
                    outcome=Outcome.CORRECT,
                    stage=STAGE,
                    reason=f"{head.replace('may or may not be', 'matches')}: {why}",
                    reference=self.references[index] if self.references else None,
                )
            verdicts.append((equal, why))
        why = verdicts[0][1] if verdicts else "nothing to compare"
        if verdicts and all(equal is False for equal, _ in verdicts) and not self.open_references:
            return replace(
                self.undecided,
                outcome=Outcome.INCORRECT,
                stage=STAGE,
                reason=f"{head.replace('may or may not be', 'is not')}: {why}",
            )
        return replace(self.undecided, stage=STAGE, reason=f"{head}: {why}")


def _read(answer: Any) -> tuple[bool | None, str]:
    """One result of the job: an untrusted worker wrote it, so every field is checked."""
    if not isinstance(answer, list) or len(answer) != 2:
        return None, "the symbolic stage gave no answer"
    equal, why = answer
    if equal not in (True, False, None) or not isinstance(why, str):
        return None, "the symbolic stage gave no answer"
    return equal, why[:300]
