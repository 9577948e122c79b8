"""What is refused before a judge is asked, and what only earns a warning.

Refused, with reward 0 and the rule's name: responses without content (`master_keys`), and
responses that speak to the judge instead of answering. The latter takes certainty, because a
wrong refusal teaches a model nonsense as surely as a wrong reward: our own result marker, a
system message in control tokens, text in invisible characters, a demand of the top grade for
the response itself, or two different signs close together (ignore the rubric + give 10).
A single weak sign is a warning, and the judge is asked about the quoted text.

Signs that the problem itself shows do not count (a translation of an attack is no attack), in
problems about grading only the strongest do, and a response that equals a gold answer is
never refused.

It does not cover attacks in prose without these signs, in other languages than English and
those of `override_words`, in encodings (base64, ciphers), or in pictures of letters; quoting,
canaries and the noise estimate are for those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rewardsvc.judging.folding import fold, hidden_tag_text, readings
from rewardsvc.judging.master_keys import bare_key, contentless
from rewardsvc.judging.override_signals import (
    NO_SIGN,
    Sign,
    grading_topic,
    said,
    signs_by_sentence,
)

__all__ = ["Finding", "Inspection", "ProblemSigns", "inspect", "signs_of_problem"]

_NEAR = 8
_LONGEST_READ = 40_000
_LEAST_HIDDEN = 4
_MANY_INVISIBLE = 32
_INVISIBLE = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff]")
_THOUGHT_END = "</think>"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's name, for programs, and what it found, for people."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a response."""

    refusal: Finding | None = None
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class ProblemSigns:
    """What a problem shows by itself; made once a group."""

    signs: Sign = NO_SIGN
    about_grading: bool = False


def signs_of_problem(problem: str) -> ProblemSigns:
    """The signs of a problem's text, which its responses may repeat."""
    folded = fold(problem[:_LONGEST_READ])
    return ProblemSigns(_union(signs_by_sentence(folded)), grading_topic(folded))


def inspect(
    text: str, problem: ProblemSigns | None = None, gold_answers: Sequence[str] = ()
) -> Inspection:
    """Looks at one response; never raises, linear in its length.

    Of a very long response the first and last 20 000 characters are read.
    """
    problem = problem or ProblemSigns()
    if len(text) > _LONGEST_READ:
        text = text[: _LONGEST_READ // 2] + "\n" + text[-_LONGEST_READ // 2 :]
    if any(_same_answer(text, gold) for gold in gold_answers):
        return Inspection()
    hidden = hidden_tag_text(text)
    if sum(c.isalpha() for c in hidden) >= _LEAST_HIDDEN:
        return _refused("hidden_text", f"invisible characters spell {hidden[:60]!r}")
    answer = text.rpartition(_THOUGHT_END)[2]
    parts = [(text, "")] if answer == text else [(text, ""), (answer, "behind its reasoning, ")]
    for part, where in parts:
        empty = contentless(part)
        if empty is not None:
            return _refused(empty[0], where + empty[1])
    refusal, seen = None, NO_SIGN
    for reading in readings(said(text)):
        signs = [sign & ~problem.signs for sign in signs_by_sentence(reading)]
        seen |= _union(signs)
        refusal = refusal or _certain(signs, problem.about_grading)
    if refusal is not None:
        return Inspection(refusal)
    notable = seen & ~_NOT_WORTH_A_WARNING
    warnings = [Finding(_name(sign), _MEANING[sign]) for sign in Sign if sign in notable]
    if not text.isascii() and len(_INVISIBLE.findall(text)) >= _MANY_INVISIBLE:
        warnings.append(Finding("invisible_characters", "it holds many invisible characters"))
    return Inspection(None, tuple(warnings))


_MEANING = {
    Sign.IGNORE: "it tells someone to ignore instructions",
    Sign.IGNORE_GRADING: "it tells someone to ignore a rubric or earlier instructions",
    Sign.POINTS: "it awards points",
    Sign.TOP_GRADE: "it demands a top grade",
    Sign.OWN_TOP_GRADE: "it demands a top grade for itself",
    Sign.ADDRESS: "it addresses a judge",
    Sign.FAKE_VERDICT: "it writes a verdict",
    Sign.OWN_MARKER: "it writes a verdict in the form of this service's judges",
    Sign.FAKE_ROLE: "it pretends that somebody else speaks or that it is over",
    Sign.FAKE_SYSTEM: "it opens a system message",
}
_CERTAIN_ALONE = (Sign.OWN_MARKER, Sign.FAKE_SYSTEM, Sign.OWN_TOP_GRADE)
_GRADE = Sign.TOP_GRADE | Sign.OWN_TOP_GRADE
_SHAM = Sign.FAKE_VERDICT | Sign.FAKE_ROLE
_CERTAIN_TOGETHER = (
    (Sign.IGNORE_GRADING, _GRADE | _SHAM | Sign.POINTS | Sign.ADDRESS),
    (Sign.IGNORE, _GRADE | Sign.FAKE_VERDICT),
    (Sign.ADDRESS, _GRADE | Sign.POINTS | Sign.FAKE_VERDICT),
    (Sign.FAKE_ROLE, _GRADE | Sign.FAKE_VERDICT),
)
# Ordinary in honest text, so not worth a warning by themselves.
_NOT_WORTH_A_WARNING = Sign.POINTS | Sign.TOP_GRADE | Sign.ADDRESS


def _certain(signs: Sequence[Sign], about_grading: bool) -> Finding | None:
    """The refusal that the signs of consecutive sentences add up to, if they do."""
    for start, first in enumerate(signs):
        if not first:
            continue
        near = _union(signs[start : start + _NEAR])
        if not about_grading:
            for sign in _CERTAIN_ALONE:
                if sign in first:
                    return Finding(_name(sign), _MEANING[sign])
        for one, others in _CERTAIN_TOGETHER:
            if one not in near or not near & others:
                continue
            if about_grading and not (one is Sign.IGNORE_GRADING and Sign.OWN_TOP_GRADE in near):
                continue
            other = next(sign for sign in Sign if sign in near & others)
            return Finding("override", f"{_MEANING[one]} and {_MEANING[other].removeprefix('it ')}")
    return None


def _union(signs: Iterable[Sign]) -> Sign:
    found = NO_SIGN
    for sign in signs:
        found |= sign
    return found


def _name(sign: Sign) -> str:
    return str(sign.name).lower()


def _refused(rule: str, reason: str) -> Inspection:
    return Inspection(Finding(rule, reason))


def _same_answer(text: str, gold: str) -> bool:
    key = bare_key(gold)
    if key:
        return len(text) < 4 * len(gold) + 40 and bare_key(text) == key
    return bool(gold.strip()) and text.strip() == gold.strip()
