"""Arithmetic word problems with solutions, right and wrong, generated from a seed.

A problem is a short story whose every event is one calculation with a small number. A
solution shows the calculations in `<think>` and the answer in `<answer>\\boxed{…}</answer>`;
wrong ones go wrong in the ways that language models do (see `Mistake`).

Problems are divided among `Split`s by a hash of their calculations: no problem of one split
has the same numbers, taken together, as a problem of another.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = [
    "STYLES",
    "Calculation",
    "Mistake",
    "Problem",
    "Solution",
    "Split",
    "make_problem",
    "solve",
]

_LARGEST_START = 40
_LARGEST_RESULT = 60
_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Iris", "Jon")


class Split(StrEnum):
    """What a problem may be used for."""

    TRAIN = "train"
    CALIBRATION = "calibration"
    HELD_OUT = "held_out"


class Mistake(StrEnum):
    """How a solution goes wrong. All but MISSING_TAGS make the answer wrong or absent."""

    SLIP = "slip"
    """One calculation has a wrong result, which the rest builds on."""
    WRONG_OPERATION = "wrong_operation"
    MISREAD_NUMBER = "misread_number"
    """A number of the problem is taken over wrongly."""
    DROPPED_STEP = "dropped_step"
    MISCOPIED_ANSWER = "miscopied_answer"
    """The answer is not the last result."""
    NO_ANSWER = "no_answer"
    MISSING_TAGS = "missing_tags"
    """Right, but not in the required form."""


@dataclass(frozen=True, slots=True)
class Calculation:
    """One step: `left operation right = result`."""

    left: int
    operation: str
    right: int
    result: int

    def __str__(self) -> str:
        return f"{self.left} {self.operation} {self.right} = {self.result}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A story and the calculations that solve it, each on the result of the one before."""

    text: str
    steps: tuple[Calculation, ...]

    @property
    def answer(self) -> int:
        """The number asked for."""
        return self.steps[-1].result

    @property
    def split(self) -> Split:
        """What the problem may be used for: held out and calibration a tenth each."""
        calculations = "; ".join(str(step) for step in self.steps)
        share = hashlib.sha256(calculations.encode()).digest()[0] / 256
        if share < 0.1:
            return Split.HELD_OUT
        return Split.CALIBRATION if share < 0.2 else Split.TRAIN


@dataclass(frozen=True, slots=True)
class Solution:
    """A response to a problem, and what is wrong with it (None: nothing)."""

    text: str
    mistake: Mistake | None

    @property
    def correct(self) -> bool:
        """Whether the response declares the right answer, whatever its form."""
        return self.mistake in (None, Mistake.MISSING_TAGS)

    @property
    def quality(self) -> int:
        """2 right and in form, 1 right only, 0 wrong: what preferences follow."""
        return 2 if self.mistake is None else int(self.correct)


@dataclass(frozen=True, slots=True)
class _Setting:
    opening: str
    events: dict[str, tuple[str, ...]]
    question: str


_SETTINGS = (
    _Setting(
        "{name} has {n} apples.",
        {
            "+": ("{name} buys {n} more apples.", "A friend brings {n} apples."),
            "-": ("{name} eats {n} apples.", "{name} gives away {n} apples."),
            "*": ("A gift makes it {n} times as many.",),
            "/": ("{name} keeps one of {n} equal shares.",),
        },
        "How many apples does {name} have now?",
    ),
    _Setting(
        "A bus leaves with {n} people.",
        {
            "+": ("{n} people get on.", "At the market {n} more people get on."),
            "-": ("{n} people get off.", "At the school {n} people get off."),
            "*": ("At the station the number becomes {n} times as large.",),
            "/": ("Only one of {n} equal groups stays on.",),
        },
        "How many people are on the bus?",
    ),
    _Setting(
        "{name} saved {n} coins.",
        {
            "+": ("{name} earns {n} coins.", "{name} finds {n} coins."),
            "-": ("{name} spends {n} coins.", "{name} loses {n} coins."),
            "*": ("A prize makes the coins {n} times as many.",),
            "/": ("The coins are split equally among {n} friends.",),
        },
        "How many coins does {name} have at the end?",
    ),
    _Setting(
        "A shelf holds {n} books.",
        {
            "+": ("{n} books are returned.", "{name} adds {n} books."),
            "-": ("{n} books are lent.", "{name} takes {n} books."),
            "*": ("The library buys until there are {n} times as many.",),
            "/": ("The books are spread equally over {n} shelves.",),
        },
        "How many books are on the shelf?",
    ),
    _Setting(
        "A baker makes {n} rolls.",
        {
            "+": ("The baker makes {n} more rolls.", "{name} brings {n} rolls."),
            "-": ("{n} rolls are sold.", "{n} rolls burn."),
            "*": ("Then the baker makes it {n} times as many.",),
            "/": ("The rolls are packed equally into {n} bags.",),
        },
        "How many rolls is that?",
    ),
)
STYLES = ("{step}", "{step}.", "So {step}.", "Then {step}")


def make_problem(rng: random.Random, split: Split) -> Problem:
    """A problem of `split` with two steps or, one in five, three."""
    while True:
        problem = _draw(rng)
        if problem is not None and problem.split is split:
            return problem


def solve(
    problem: Problem, mistake: Mistake | None, rng: random.Random, style: str | None = None
) -> Solution:
    """A solution with that mistake, or a right one for None, in one of STYLES."""
    style = rng.choice(STYLES) if style is None else style
    if mistake is None:
        return Solution(_write(problem.steps, problem.answer, style), None)
    if mistake is Mistake.MISSING_TAGS:
        return Solution(_write_without_tags(problem, style, rng), mistake)
    if mistake is Mistake.NO_ANSWER:
        return Solution(_write(problem.steps, None, style), mistake)
    if mistake is Mistake.MISCOPIED_ANSWER:
        wrong = _near(problem.answer, rng)
        return Solution(_write(problem.steps, wrong, style), mistake)
    while True:
        steps = _go_wrong(problem.steps, mistake, rng)
        if steps and steps[-1].result != problem.answer:
            return Solution(_write(steps, steps[-1].result, style), mistake)
        if mistake is Mistake.DROPPED_STEP:
            # A dropped step may happen not to matter (times one, plus nothing): then it slips.
            mistake = Mistake.SLIP


def _draw(rng: random.Random) -> Problem | None:
    setting = rng.choice(_SETTINGS)
    name = rng.choice(_NAMES)
    value = rng.randint(3, _LARGEST_START)
    sentences = [setting.opening.format(name=name, n=value)]
    steps = []
    for _ in range(rng.choice((2, 2, 2, 2, 3))):
        operation = rng.choice("++--*/")
        right = _operand(value, operation, rng)
        if right is None:
            return None
        step = _calculate(value, operation, right)
        steps.append(step)
        value = step.result
        sentences.append(rng.choice(setting.events[operation]).format(name=name, n=right))
    sentences.append(setting.question.format(name=name))
    return Problem(" ".join(sentences), tuple(steps))


def _operand(value: int, operation: str, rng: random.Random) -> int | None:
    """A right-hand side that keeps the result in 1..60, if there is one."""
    match operation:
        case "+":
            allowed = [n for n in range(2, 10) if value + n <= _LARGEST_RESULT]
        case "-":
            allowed = [n for n in range(2, 10) if n < value]
        case "*":
            allowed = [n for n in range(2, 6) if value * n <= _LARGEST_RESULT]
        case _:
            allowed = [n for n in range(2, 6) if value % n == 0]
    return rng.choice(allowed) if allowed else None


def _calculate(left: int, operation: str, right: int) -> Calculation:
    match operation:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case _:
            result = left // right
    return Calculation(left, operation, right, result)


def _go_wrong(
    steps: tuple[Calculation, ...], mistake: Mistake, rng: random.Random
) -> list[Calculation]:
    """The steps with the mistake at one of them; the steps after it follow from it."""
    at = rng.randrange(len(steps))
    done = list(steps[:at])
    broken = steps[at]
    match mistake:
        case Mistake.SLIP:
            done.append(replace(broken, result=_near(broken.result, rng)))
        case Mistake.WRONG_OPERATION:
            operation = rng.choice([o for o in "+-*/" if o != broken.operation])
            done.append(_calculate(broken.left, operation, broken.right))
        case Mistake.MISREAD_NUMBER:
            if at == 0 and rng.random() < 0.5:
                done.append(_calculate(_near(broken.left, rng), broken.operation, broken.right))
            else:
                done.append(_calculate(broken.left, broken.operation, _near(broken.right, rng)))
        case _:
            pass  # the step is dropped
    value = done[-1].result if done else broken.left
    for step in steps[at + 1 :]:
        done.append(_calculate(value, step.operation, step.right))
        value = done[-1].result
    if any(not 0 <= step.result <= 999 for step in done):
        return []
    return done


def _near(number: int, rng: random.Random) -> int:
    """Another number that is easily mistaken for this one; at least 1."""
    tens, ones = divmod(number, 10)
    candidates = {number + 1, number - 1, number + 10, number - 10, number + 2, ones * 10 + tens}
    return rng.choice(sorted(n for n in candidates if n >= 1 and n != number))


def _write(
    steps: tuple[Calculation, ...] | list[Calculation], answer: int | None, style: str
) -> str:
    lines = "\n".join(style.format(step=step) for step in steps)
    ending = "" if answer is None else f"\n<answer>\\boxed{{{answer}}}</answer>"
    return f"<think>\n{lines}\n</think>{ending}"


def _write_without_tags(problem: Problem, style: str, rng: random.Random) -> str:
    lines = "\n".join(style.format(step=step) for step in problem.steps)
    return rng.choice(
        (
            f"{lines}\nThe answer is \\boxed{{{problem.answer}}}",
            f"<think>\n{lines}\n</think>\nThe answer is \\boxed{{{problem.answer}}}",
            f"{lines}\n<answer>\\boxed{{{problem.answer}}}</answer>",
        )
    )
