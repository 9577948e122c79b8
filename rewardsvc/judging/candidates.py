"""How probable each possible answer was, from the log-probabilities of one completion.

An answer (a number, a label) may be one token or several. The chosen tokens and their
alternatives form a trie: an answer's probability is the product along its path, summed over
the different ways to write it. Alternatives of a token that was not chosen are only known up
to that token; what cannot be told apart there (`7` of 7, 70, 71, …) is reported as unresolved
by prefix, and `continuation_masses` resolves a prefix from a further completion.

Derived. Two readings are made of a token that ends in the middle: one that a single answer
begins with counts for that answer; and where the tokenizer shows tokens of several digits at
that place, a shorter number counts as whole, because such a tokenizer does not split numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, isnan
from typing import Protocol

__all__ = ["Masses", "Token", "candidate_masses", "continuation_masses"]


class Token(Protocol):
    """A generated token with natural-log probabilities."""

    @property
    def text(self) -> str:
        """As it stands in the completion."""

    @property
    def log_probability(self) -> float:
        """Of this token at its place."""

    @property
    def alternatives(self) -> tuple[tuple[str, float], ...]:
        """Likeliest tokens at this place with their log-probabilities."""


@dataclass(frozen=True, slots=True)
class Masses:
    """Probabilities of answers; what is missing to 1 went to other text or was not reported."""

    by_candidate: Mapping[str, float] = field(default_factory=dict)
    unresolved: Mapping[str, float] = field(default_factory=dict)
    """Probability by prefix that more than one answer begins with."""

    @property
    def total(self) -> float:
        """Probability of all answers that are told apart, in [0, 1]."""
        return min(sum(self.by_candidate.values()), 1.0)

    def resolved(self, prefix: str, continuation: Masses) -> Masses:
        """With `prefix` divided as `continuation` (given the prefix) says."""
        mass = self.unresolved[prefix]
        by_candidate = dict(self.by_candidate)
        for candidate, share in continuation.by_candidate.items():
            by_candidate[candidate] = by_candidate.get(candidate, 0.0) + mass * share
        rest = {other: m for other, m in self.unresolved.items() if other != prefix}
        return Masses(by_candidate, rest)


def candidate_masses(
    tokens: Sequence[Token], start: int, candidates: Sequence[str]
) -> Masses | None:
    """The probability of each candidate at character `start` of the joined tokens.

    Letter case does not matter; `candidates` are distinct in it. None where `start` is in
    none of the tokens.
    """
    for place, token in enumerate(tokens):
        if start < len(token.text):
            return _Walk(candidates).run(tokens, place, token.text[:start], "")
        start -= len(token.text)
    return None


def continuation_masses(tokens: Sequence[Token], prefix: str, candidates: Sequence[str]) -> Masses:
    """The probability of each candidate given that the answer begins with `prefix`, from a
    completion that continues right after it."""
    return _Walk(candidates).run(tokens, 0, "", prefix)


class _Walk:
    def __init__(self, candidates: Sequence[str]) -> None:
        self._names = {candidate.casefold(): candidate for candidate in candidates}
        self._masses: dict[str, float] = {}
        self._unresolved: dict[str, float] = {}

    def run(self, tokens: Sequence[Token], place: int, lead: str, consumed: str) -> Masses:
        """Walks down the chosen tokens; `lead` stands before the answer in the first one."""
        consumed = consumed.casefold()
        mass, at_start = 1.0, not consumed
        while place < len(tokens):
            token = tokens[place]
            alternatives = _probabilities(token)
            whole_numbers = any(len(t.strip()) > 1 and t.strip().isdecimal() for t in alternatives)
            descend: tuple[str, float] | None = None
            for text, probability in alternatives.items():
                if at_start:
                    if not text.startswith(lead) and lead.strip():
                        continue
                    piece = text[len(lead) :] if text.startswith(lead) else text
                    piece = piece.lstrip()
                else:
                    piece = text
                if at_start and not piece:
                    # Only white space so far: the answer is in the next token.
                    if text == token.text:
                        descend = ("", mass * probability)
                    continue
                found = self._read(
                    consumed, piece.casefold(), mass * probability, text == token.text,
                    whole_numbers,
                )  # fmt: skip
                if found is not None:
                    descend = (found, mass * probability)
            if descend is None:
                return self._result()
            consumed, mass = descend
            at_start, lead, place = not consumed, "", place + 1
        self._add(consumed, mass)
        return self._result()

    def _read(
        self, consumed: str, piece: str, mass: float, chosen: bool, whole_numbers: bool
    ) -> str | None:
        """Books one alternative; returns the new prefix if the walk goes on behind it."""
        if consumed and (not piece or not piece[0].isalnum()):
            self._add(consumed, mass)
            return None
        text = consumed + piece
        end = next((i for i, c in enumerate(text) if not c.isalnum() and c != "_"), len(text))
        if end < len(text):
            self._add(text[:end].rstrip("_"), mass)
            return None
        longer = [name for name in self._names if name.startswith(text) and name != text]
        if text in self._names and (not longer or (whole_numbers and not chosen)):
            self._add(text, mass)
        elif longer and chosen:
            return text
        elif len(longer) == 1 and text not in self._names:
            self._add(longer[0], mass)
        elif longer:
            self._unresolved[text] = self._unresolved.get(text, 0.0) + mass
        return None

    def _add(self, text: str, mass: float) -> None:
        name = self._names.get(text)
        if name is not None:
            self._masses[name] = self._masses.get(name, 0.0) + mass

    def _result(self) -> Masses:
        return Masses(self._masses, self._unresolved)


def _probabilities(token: Token) -> dict[str, float]:
    """Probability by text of a token and its alternatives; those that are no number are 0."""
    found: dict[str, float] = {}
    for text, value in ((token.text, token.log_probability), *token.alternatives):
        found.setdefault(text, 0.0 if isnan(value) else min(exp(min(value, 0.0)), 1.0))
    return found
