"""The shape of a labelled pair."""

from __future__ import annotations

from typing import NamedTuple


class Draft(NamedTuple):
    """One pair before its answer is decorated."""

    reference: str
    answer: str
    equal: bool
    variation: str
    decorable: bool = True


class LabelledPair(NamedTuple):
    """A reference, an answer as it would stand in a box, and whether they are the same."""

    reference: str
    answer: str
    equal: bool
    family: str
    variation: str
