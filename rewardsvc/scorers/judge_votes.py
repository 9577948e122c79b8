"""Asks a language model for judgements of one response, within its time and its budget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rewardsvc.calibration.judgement import confidence_from_probabilities
from rewardsvc.calibration.votes import confidence_from_votes
from rewardsvc.engines.generation import (
    Completion,
    GenerationFailed,
    GenerationRequest,
    Generator,
)
from rewardsvc.judging.candidates import Masses, candidate_masses
from rewardsvc.judging.parsing import Unreadable
from rewardsvc.judging.voting import VoteRule, next_votes
from rewardsvc.scorers.judge_settings import JudgeSettings
from rewardsvc.types import ChatMessage, Confidence, Score, Status, Usage, Vote

__all__ = [
    "Ballot",
    "Ballots",
    "Reader",
    "Reading",
    "collect",
    "confidence_of",
    "masses_at",
]

MOST_ALTERNATIVES = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What one judgement says."""

    score: float | None
    """In [0, 1]; None where its parts are there but make no score."""
    right: float
    """How likely it takes the response for right (or better), in [0, 1]."""
    marks: tuple[float | None, ...]
    """Its vote on each question; None where it did not vote."""
    from_probabilities: bool = False
    masses: Masses | None = None
    pair: tuple[float, float] | None = None
    """Scores of the response and of the one it is compared with."""
    perplexity: float | None = None
    """Of the judgement as written, at least 1; None without log-probabilities."""
    notes: tuple[str, ...] = ()
    """Trouble with parts of it."""


class Reader(Protocol):
    """Reads judgements of one kind."""

    @property
    def choices(self) -> tuple[str, ...]:
        """All verdicts there are, for guided decoding; empty where text comes before it."""

    @property
    def rule(self) -> VoteRule:
        """How votes become one."""

    def read(self, completion: Completion) -> Reading | Unreadable:
        """What a completion says."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """A judgement that was asked for: what it says, or why it is missing."""

    text: str
    reading: Reading | None
    failure: str = ""
    status: Status = Status.ABSTAINED
    """ERROR or TIMEOUT where the engine is to blame for a missing judgement."""

    @property
    def vote(self) -> Vote:
        """As it is shown to the caller."""
        return Vote(None if self.reading is None else self.reading.score, self.text, self.failure)


@dataclass(frozen=True, slots=True)
class Ballots:
    """All judgements of one response (in one order), and what they cost."""

    ballots: tuple[Ballot, ...] = ()
    usage: Usage = field(default_factory=Usage)

    @property
    def readings(self) -> list[Reading]:
        """Of the judgements that could be read."""
        return [ballot.reading for ballot in self.ballots if ballot.reading is not None]

    def lacking(self, quorum: int) -> Score | None:
        """The score without a value that says why there are too few; None if there are enough."""
        present = len(self.readings)
        if present >= quorum:
            return None
        missing = [ballot for ballot in self.ballots if ballot.reading is None]
        statuses = [ballot.status for ballot in missing]
        status = next(
            (s for s in (Status.ERROR, Status.TIMEOUT) if s in statuses), Status.ABSTAINED
        )
        why = next((b.failure for b in missing if b.status is status), "none was asked for")
        return Score.unscored(
            status,
            f"{present} of {len(self.ballots)} judgements could be used, {quorum} needed: {why}.",
        )

    def __add__(self, other: Ballots) -> Ballots:
        return Ballots((*self.ballots, *other.ballots), self.usage + other.usage)


async def collect(
    generator: Generator,
    messages: tuple[ChatMessage, ...],
    reader: Reader,
    settings: JudgeSettings,
    deadline: float,
    *,
    votes: int,
    temperature: float,
) -> Ballots:
    """Asks until the votes are settled, all cast, or the event loop's time is `deadline`."""
    found = Ballots()
    least = min(settings.least_votes, votes)
    while (left := votes - len(found.ballots)) > 0:
        count = _next_count(found.readings, left, least, reader.rule, settings.stop_early)
        if count == 0:
            break
        request = GenerationRequest(
            messages,
            samples=count,
            temperature=temperature,
            top_p=settings.top_p,
            max_tokens=settings.tokens_per_judgement,
            top_log_probabilities=MOST_ALTERNATIVES if settings.log_probabilities else 0,
            draw=len(found.ballots),
            choices=reader.choices,
        )
        wave = await _ask(generator, request, reader, deadline)
        found += wave
        if any(ballot.status is not Status.ABSTAINED for ballot in wave.ballots):
            break  # the engine is in trouble or out of time; it has had its retries
    return found


def _whole(completion: Completion) -> str | Unreadable:
    """A completion's text, unless it was cut off before its verdict."""
    if completion.finish_reason == "length":
        return Unreadable("the judgement was cut off before its end")
    return completion.text


def masses_at(completion: Completion, start: int, candidates: Sequence[str]) -> Masses | None:
    """Probabilities of candidates at a character of the text; None without log-probabilities,
    or where the tokens do not spell the text."""
    if not completion.tokens:
        return None
    joined = "".join(token.text for token in completion.tokens)
    if not joined.startswith(completion.text[: start + 1]):
        return None
    return candidate_masses(completion.tokens, start, candidates)


def confidence_of(readings: Sequence[Reading]) -> Confidence:
    """How likely the response is right, from at least one reading; the order is of no matter."""
    if all(reading.from_probabilities for reading in readings):
        return confidence_from_probabilities([reading.right for reading in readings])
    agreeing = sum(sorted(reading.right for reading in readings))
    return confidence_from_votes(min(agreeing, len(readings)), len(readings))


def _next_count(
    readings: Sequence[Reading], left: int, least: int, rule: VoteRule, stop_early: bool
) -> int:
    if not stop_early:
        return left
    if not readings:
        return next_votes([], left, rule)
    if len(readings) < least:
        return min(left, least - len(readings))
    questions = zip(*(reading.marks for reading in readings), strict=True)
    return max(
        next_votes([mark for mark in marks if mark is not None], left, rule) for marks in questions
    )


async def _ask(
    generator: Generator, request: GenerationRequest, reader: Reader, deadline: float
) -> Ballots:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(deadline):
            generation = await generator.generate(
                request, seconds=max(deadline - loop.time(), 0.001)
            )
    except TimeoutError:
        missing = Ballot("", None, "the model did not answer in time", Status.TIMEOUT)
        return Ballots((missing,) * request.samples)
    except GenerationFailed as failure:
        status = Status.TIMEOUT if failure.timed_out else Status.ERROR
        missing = Ballot("", None, str(failure).rstrip("."), status)
        return Ballots((missing,) * request.samples)
    ballots = [_ballot(completion, reader) for completion in generation.completions]
    few = Ballot("", None, "the engine gave fewer completions than asked for", Status.ERROR)
    ballots = [*ballots, *[few] * (request.samples - len(ballots))][: request.samples]
    return Ballots(tuple(ballots), generation.usage)


def _ballot(completion: Completion, reader: Reader) -> Ballot:
    text = completion.text.encode("utf-8", "replace").decode()
    said = _whole(completion)
    reading = said if isinstance(said, Unreadable) else reader.read(completion)
    if isinstance(reading, Unreadable):
        return Ballot(text, None, reading.reason)
    return Ballot(text, reading)
