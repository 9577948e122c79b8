"""Answers in words: normal form, a table of synonyms, number words."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.token_table import COMMAND, OPERATOR, TEXTUAL, WORD
from rewardsvc_verifiers.math.tokens import Token
from rewardsvc_verifiers.math.tree import Node
from rewardsvc_verifiers.math.word_lists import words

_GROUPS: Final[dict[str, str]] = {
    "does not exist": "dne|does not exist|doesn't exist|doesnt exist|limit does not exist|"
    "it does not exist|do not exist|not exist|nonexistent|does n't exist",
    "undefined": "undefined|not defined|is undefined|indeterminate",
    "no solution": "no solution|no solutions|no real solution|no real solutions|"
    "there is no solution|there are no solutions|there are no real solutions|no roots|"
    "no real roots|empty set|null set|none|no such number exists|no integer solutions|"
    "there is no real solution|has no solution|no values|no value|no such value exists|"
    "there are no such values|no such numbers exist|there is no such number|impossible|"
    "not possible|it is impossible",
    "infinitely many": "infinitely many|infinitely many solutions|infinite|infinite solutions|"
    "an infinite number|infinite number of solutions|infinitely many answers|"
    "there are infinitely many solutions|infinite number",
    "yes": "yes|true|t|correct|yes it is|yes it does|it is true",
    "no": "no|false|f|incorrect|no it is not|no it does not|it is false|not true",
    "diverges": "diverges|divergent|divergence|series diverges|it diverges|is divergent",
    "converges": "converges|convergent|series converges|it converges|is convergent",
    "cannot be determined": "cannot be determined|can not be determined|can't be determined|"
    "not enough information|cannot determine|insufficient information|not determinable",
    "even": "even|even function|is even|even number", "odd": "odd|odd function|odd number",
    "neither": "neither|neither even nor odd|neither odd nor even",
    "monday": "monday|mon", "tuesday": "tuesday|tue|tues", "wednesday": "wednesday|wed",
    "thursday": "thursday|thu|thur|thurs", "friday": "friday|fri",
    "saturday": "saturday|sat", "sunday": "sunday|sun",
}  # fmt: skip
_SYNONYMS: Final = {
    phrase: name for name, phrases in _GROUPS.items() for phrase in phrases.split("|")
}
_ALL_REALS: Final = frozenset(
    """all real numbers|all reals|every real number|any real number|real numbers|set of all
 real numbers|set of real numbers|all real values|all real number|any real|reals""".replace(
        "\n", ""
    ).split("|")
)
#: Half lines in words: brackets of [0, inf) or (0, inf); a minus marks the negative side.
_RAYS: Final = {
    "positive numbers": "()",
    "non negative numbers": "[)",
    "nonnegative numbers": "[)",
    "negative numbers": "-)",
    "non positive numbers": "-]",
    "nonpositive numbers": "-]",
}
_ARTICLES: Final = frozenset({"the", "a", "an"})
_UNITS: Final = {
    word: value
    for value, word in enumerate(
        words(
            """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen
    """
        )
    )
}
_TENS: Final = {
    word: 10 * (value + 2)
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    )
}
_PARTS: Final = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4,
    "fourth": 4, "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6,
    "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9,
    "tenth": 10, "tenths": 10,
}  # fmt: skip
_ORDINALS: Final = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "1st": 1, "2nd": 2,
    "3rd": 3, "4th": 4, "5th": 5, "6th": 6, "7th": 7, "8th": 8, "9th": 9, "10th": 10,
}  # fmt: skip
_BIG: Final = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
#: Phrases of an answer that has no value: they differ from every number.
VALUELESS: Final = frozenset(
    {"does not exist", "undefined", "no solution", "diverges", "cannot be determined"}
)


def words_of(tokens: list[Token]) -> str:
    """The tokens as lower-case words, without articles and punctuation."""
    pieces: list[str] = []
    worded = False
    for token in tokens:
        if token.kind == OPERATOR and token.text in ".,;:?!\"'`":
            if token.text == "'" and pieces and not token.spaced:
                pieces.append("'")
            continue
        text = token.text
        after_word = worded
        worded = token.kind in (WORD, TEXTUAL)
        if worded or after_word or not pieces or token.spaced or token.kind == COMMAND:
            if pieces and pieces[-1] == "'" and not token.spaced:
                pieces.append(text)
            else:
                pieces.append(" " + text)
        else:
            pieces.append(text)
    return normal_words("".join(pieces))


def normal_words(text: str) -> str:
    """Lower case, single spaces, no articles, no edge punctuation."""
    words = [
        word.strip('.,;:!?"()') for word in text.lower().replace("-", " ").replace("’", "'").split()
    ]
    return " ".join(word for word in words if word and word not in _ARTICLES)


def canonical_phrase(words: str) -> str:
    """The name of the phrase's synonym group, or the phrase itself."""
    return _SYNONYMS.get(words, words)


def is_synonym(words: str) -> bool:
    """Whether the table of synonyms knows the phrase."""
    return words in _SYNONYMS


def meaning(words: str) -> Node | None:
    """The tree that a phrase stands for: a number word, the reals, the empty set."""
    if words in _ALL_REALS:
        return Node(tree.NUMBER_SET, (), "reals")
    ray = _RAYS.get(words.removeprefix("all ").replace(" real ", " ").replace(" reals", " numbers"))
    if ray is not None:
        ends = (tree.ZERO, tree.INFINITY) if ray[1] == ")" and ray[0] != "-" else None
        if ends is None:
            return Node(tree.INTERVAL, (tree.negate(tree.INFINITY), tree.ZERO), "(" + ray[1])
        return Node(tree.INTERVAL, ends, ray)
    name = _SYNONYMS.get(words)
    if name == "no solution":
        return Node(tree.EMPTY_SET)
    if words in ("infinity", "positive infinity", "plus infinity"):
        return tree.INFINITY
    if words in ("negative infinity", "minus infinity"):
        return tree.negate(tree.INFINITY)
    value = number_word(words)
    return None if value is None else tree.integer(value)


def number_word(words: str) -> tree.Rational | None:
    """`twenty one`, `three quarters`, `one hundred and five`; None for anything else."""
    parts = words.split()
    if not parts or len(parts) > 8:
        return None
    if parts[0] in ("negative", "minus") and len(parts) > 1:
        value = number_word(" ".join(parts[1:]))
        return None if value is None else -value
    if parts[-1] in _PARTS and (len(parts) > 1 or parts[-1] == "half"):
        top = 1 if len(parts) == 1 else _cardinal(parts[:-1])
        return None if top is None else Fraction(top, _PARTS[parts[-1]])
    return _cardinal(parts)


def ordinal(words: str) -> int | None:
    """`third` and `3rd` are 3."""
    return _ORDINALS.get(words)


def _cardinal(parts: list[str]) -> int | None:
    total = 0
    current = 0
    for word in parts:
        if word in _UNITS:
            current += _UNITS[word]
        elif word in _TENS:
            current += _TENS[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in _BIG:
            total += max(current, 1) * _BIG[word]
            current = 0
        elif word != "and" or not (total or current):
            return None
    return total + current
