"""Compare two whole answers: keys, choice letters, trees, words, in that order."""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.compare import Comparison
from rewardsvc_verifiers.math.judgement import (
    PARSE,
    STRING,
    TYPED,
    Judgement,
    different,
    equal,
    unknown,
)
from rewardsvc_verifiers.math.policy import MathPolicy
from rewardsvc_verifiers.math.reading import Reading, phrase_of
from rewardsvc_verifiers.math.text import (
    VALUELESS,
    canonical_phrase,
    is_synonym,
    number_word,
    ordinal,
)
from rewardsvc_verifiers.math.tree import LimitExceeded, Node

_LONG_TEXT: Final = 4
ALIKE: Final = equal(STRING, "both are written alike")


def judge_readings(reference: Reading, answer: Reading, policy: MathPolicy) -> Judgement:
    """Whether two answers are the same, by words, choice letters and trees."""
    if reference.key == answer.key:
        return ALIKE
    if reference.choice or answer.choice:
        chosen = _judge_choice(reference, answer, policy)
        if chosen is not None:
            return chosen
    best = _judge_trees(reference, answer, policy)
    if best is not None and best.equal is not None:
        return best
    worded = _judge_words(reference, answer, policy)
    if worded is not None and (worded.equal is not None or best is None):
        return worded
    if best is not None:
        return best
    problem = answer.problem or reference.problem or "one is in words, the other is not"
    return unknown(f"they could not be compared: {problem}", PARSE)


def _judge_trees(reference: Reading, answer: Reading, policy: MathPolicy) -> Judgement | None:
    best: Judgement | None = None
    signs = (
        "+-" in reference.key or "-+" in reference.key or "+-" in answer.key or ("-+" in answer.key)
    )
    for left in (reference.node, reference.alternative):
        for right in (answer.node, answer.alternative):
            if left is None or right is None:
                continue
            found = _guarded(left, right, policy, signs)
            if found.equal:
                return found
            if best is None or (best.equal is False and found.equal is None):
                best = found
    return best


def _guarded(left: Node, right: Node, policy: MathPolicy, signs: bool) -> Judgement:
    try:
        return Comparison(policy, signs).judge(left, right)
    except LimitExceeded as limit:
        return unknown(f"the comparison was stopped: {limit}")
    except (OverflowError, RecursionError, MemoryError):
        return unknown("the comparison was stopped: a value too large")


def _judge_choice(reference: Reading, answer: Reading, policy: MathPolicy) -> Judgement | None:
    """Multiple choice: the letters decide when both are letters."""
    if reference.choice and answer.choice:
        if reference.choice == answer.choice:
            return equal(TYPED, f"both choose {reference.choice}")
        if not (reference.choice_text or answer.choice_text) or (
            reference.choice_text and answer.choice_text
        ):
            return different(TYPED, f"{answer.choice} is chosen instead of {reference.choice}")
        return different(TYPED, f"{answer.choice} is chosen instead of {reference.choice}")
    if reference.choice and reference.choice_text and policy.choice_text:
        from rewardsvc_verifiers.math.reading import read

        return judge_readings(read(reference.choice_text), answer, policy)
    if reference.choice and not reference.choice_text and _is_hedge(answer):
        return different(TYPED, "several choices instead of one")
    return None


def _is_hedge(answer: Reading) -> bool:
    return answer.node is not None and answer.node.kind in (tree.LIST, tree.SET, tree.TUPLE)


def _judge_words(reference: Reading, answer: Reading, policy: MathPolicy) -> Judgement | None:
    """Answers in words: equal under synonyms, different only when both are short."""
    if not reference.words and not answer.words:
        return None
    first, second = reference.words, answer.words
    if first and second:
        if policy.text == "synonyms":
            first, second = phrase_of(reference), phrase_of(answer)
        if first == second or _squeezed(first) == _squeezed(second):
            return equal(TYPED, f"both say {_short(second)!r}")
        if policy.text == "synonyms" and _predicate(first) == _predicate(second):
            return equal(TYPED, f"both say {_short(second)!r}")
        if ordinal(first) is not None and ordinal(first) == ordinal(second):
            return equal(TYPED, f"both say {_short(second)!r}")
        if is_synonym(reference.words) and is_synonym(answer.words):
            return different(TYPED, f"{_short(second)!r} does not mean {_short(first)!r}")
        if max(len(first.split()), len(second.split())) > _LONG_TEXT:
            return unknown("longer texts are not compared", TYPED)
        if set(first.split()) & set(second.split()) or first in second or second in first:
            return unknown("the texts share words", TYPED)
        return different(TYPED, f"{_short(second)!r} is not {_short(first)!r}")
    words = first or second
    phrase = phrase_of(reference if first else answer)
    other = answer if first else reference
    if phrase in ("yes", "no") and canonical_phrase(other.key.lower()) in ("yes", "no"):
        if canonical_phrase(other.key.lower()) == phrase:
            return equal(TYPED, f"both say {_short(words)!r}")
        return different(TYPED, f"{other.key} does not mean {_short(words)!r}")
    if phrase in VALUELESS and other.node is not None:
        if phrase == "no solution" and other.node.kind == tree.EMPTY_SET:
            return equal(TYPED, "both say that there is no solution")
        return different(TYPED, f"{_short(words)!r} is no value")
    has_text = other.node is not None and any(
        part.kind == tree.TEXT for part in tree.walk(other.node)
    )
    if (
        is_synonym(words)
        and other.node is not None
        and not has_text
        and (number_word(words) is None)
    ):
        return different(TYPED, f"{_short(words)!r} is no value")
    return unknown("one is in words, the other is not", TYPED)


def _predicate(words: str) -> str:
    """ "function is even" says "even"; a negation is left alone."""
    _, verb, tail = words.rpartition(" is ")
    if not verb or "not" in words.split() or not tail:
        return words
    return canonical_phrase(tail)


def _squeezed(words: str) -> str:
    return words.replace(" ", "").replace("'", "")


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
