"""The confidence that a response states about itself, and the response without it.

Two written forms are read: `Confidence: 8` on a scale of 10 (PPO-C, Leng et al.,
arXiv 2410.09724) and `<confidence>0.8</confidence>` as a probability (RLCR, Damani et al.,
arXiv 2507.16806). The last statement counts. Anything but a plain ASCII decimal number in
range is no statement: nan, inf, 1e999 and full-width digits are not read.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

__all__ = ["ConfidenceFormat", "StatedConfidence", "read_confidence"]

ConfidenceFormat = Literal["ten_point", "tag"]

# Every quantifier is bounded or followed by a different character: no backtracking to speak of.
_FORMS = {
    "ten_point": re.compile(
        r"(?i:confidence):[ \t]{0,8}([0-9]{1,6}(?:\.[0-9]{1,12})?)(?![0-9.]*[0-9A-Za-z%])",
        re.ASCII,
    ),
    "tag": re.compile(
        r"<confidence>[ \t\n]{0,8}([0-9]{1,6}(?:\.[0-9]{1,12})?)[ \t\n]{0,8}</confidence>", re.ASCII
    ),
}


class StatedConfidence(NamedTuple):
    """What a response says of its confidence."""

    probability: float | None
    """In [0, 1]; None where it says nothing readable."""
    text: str
    """The response with every readable statement taken out."""
    removed: tuple[tuple[int, int], ...] = ()
    """Where in the response, as start and end, statements were taken out; ascending."""

    def as_sent(self, offset: int) -> int:
        """The place in the response as sent of a place in `text`."""
        for start, end in self.removed:
            if start > offset:
                break
            offset += end - start
        return offset


def read_confidence(text: str, form: ConfidenceFormat) -> StatedConfidence:
    """Reads the last statement of a response.

    On the scale of 10, numbers above 10 are read as 10, as PPO-C does; a probability above 1
    is no statement.
    """
    found = list(_FORMS[form].finditer(text))
    if not found:
        return StatedConfidence(None, text)
    number = float(found[-1][1])
    probability = min(number, 10.0) / 10 if form == "ten_point" else number
    removed = tuple(match.span() for match in found)
    starts = (0, *(end for _, end in removed))
    ends = (*(start for start, _ in removed), len(text))
    kept = "".join(text[start:end] for start, end in zip(starts, ends, strict=True))
    return StatedConfidence(probability if probability <= 1 else None, kept, removed)
