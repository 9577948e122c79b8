"""Checks that a response keeps a required form: tags, a boxed answer, length bounds.

Linear in the response's length. It looks at the form only: a response of the right form
may hold any content, so this is a part of a reward, never a reward for being right.
"""

from __future__ import annotations

from dataclasses import dataclass

from rewardsvc_verifiers.verdict import Outcome, Verdict

STAGE = "format"


@dataclass(frozen=True, slots=True)
class FormatPolicy:
    """The form that is required. Lengths count characters (code points)."""

    required_tags: tuple[str, ...] = ()
    """Tags that must each occur exactly once as `<tag>…</tag>`, in this order, side by side."""
    nothing_outside_tags: bool = False
    """Whether only white space may stand outside the required tags."""
    boxed_answer: bool = False
    r"""Whether the response must hold a complete, non-empty `\boxed{…}`."""
    minimum_characters: int = 0
    maximum_characters: int | None = None
    name: str = "format"

    def __post_init__(self) -> None:
        for tag in self.required_tags:
            if not tag or not all(c.isalnum() or c in "_-" for c in tag):
                raise ValueError(
                    f"required_tags: {tag!r} is not a tag name; "
                    "allowed are letters, digits, '_' and '-'"
                )
        if len(set(self.required_tags)) != len(self.required_tags):
            raise ValueError(f"required_tags: {self.required_tags!r} names a tag twice")
        if self.minimum_characters < 0:
            raise ValueError(f"minimum_characters: {self.minimum_characters} is negative")
        if (
            self.maximum_characters is not None
            and self.maximum_characters < self.minimum_characters
        ):
            raise ValueError(
                f"maximum_characters: {self.maximum_characters} is below "
                f"minimum_characters ({self.minimum_characters})"
            )


def verify(response: str, policy: FormatPolicy) -> Verdict:
    """CORRECT if the response has the required form, else INCORRECT with the first fault."""
    fault = (
        _length_fault(response, policy)
        or _tag_fault(response, policy)
        or (_boxed_fault(response) if policy.boxed_answer else "")
    )
    if fault:
        return Verdict(Outcome.INCORRECT, fault, STAGE, policy=policy.name)
    return Verdict(
        Outcome.CORRECT, "The response has the required form.", STAGE, policy=policy.name
    )


def _length_fault(response: str, policy: FormatPolicy) -> str:
    length = len(response)
    if length < policy.minimum_characters:
        return f"The response has {length} characters; at least {policy.minimum_characters} needed."
    if policy.maximum_characters is not None and length > policy.maximum_characters:
        return f"The response has {length} characters; at most {policy.maximum_characters} allowed."
    return ""


def _tag_fault(response: str, policy: FormatPolicy) -> str:
    end_of_previous = 0
    for tag in policy.required_tags:
        opening, closing = f"<{tag}>", f"</{tag}>"
        for mark in (opening, closing):
            count = response.count(mark)
            if count == 0:
                return f"{mark} is missing."
            if count > 1:
                return f"{mark} occurs {count} times; exactly once is allowed."
        start, end = response.index(opening), response.index(closing)
        if end < start:
            return f"{closing} stands before {opening}."
        if start < end_of_previous:
            return f"{opening} is out of order; the order is {', '.join(policy.required_tags)}."
        if policy.nothing_outside_tags and response[end_of_previous:start].strip():
            return f"Text stands outside the tags, before {opening}."
        end_of_previous = end + len(closing)
    if policy.nothing_outside_tags and policy.required_tags and response[end_of_previous:].strip():
        return f"Text stands outside the tags, after </{policy.required_tags[-1]}>."
    return ""


def _boxed_fault(response: str) -> str:
    marker = r"\boxed{"
    start = response.rfind(marker)
    if start < 0:
        return r"\boxed{…} is missing."
    depth = 0
    for position in range(start + len(marker) - 1, len(response)):
        if response[position] == "{":
            depth += 1
        elif response[position] == "}":
            depth -= 1
            if depth == 0:
                inside = response[start + len(marker) : position]
                return "" if inside.strip() else r"The last \boxed{} is empty."
    return r"The last \boxed{ is not closed."
