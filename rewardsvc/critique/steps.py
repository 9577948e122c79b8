"""Splits a response into the steps that critics and process reward models judge.

A step ends at a blank line, and begins at a numbered line (`3.`, `(3)`) or a line labelled
`Step 3:` (also behind a bullet, a heading's marks or in bold). Code fences and displayed
formulas (`$$ … $$`, `\\[ … \\]`, `\\begin{align} … \\end{align}`) are never cut; one that is
never closed is read as ordinary lines. Numbered lines indented by two or more belong to the
step above, and a heading without text belongs to the step below it.

Linear in the length of the text, whatever it holds. It does not tell a good step from a bad
one: a response that hides everything in one code fence is one step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

__all__ = ["StepSpan", "split_steps"]


@dataclass(frozen=True, slots=True)
class StepSpan:
    """The step at characters (code points) `start:end`; neither end is whitespace."""

    start: int
    end: int


class _Line(NamedTuple):
    start: int
    end: int
    text: str


_LINE_END = re.compile(r"\r\n|\n|\r")
_STEP_LABEL = re.compile(
    r"[ \t]?(?:[-*+•][ \t]+)?(?:#{1,6}[ \t]+)?(?:\*\*|__)?[Ss](?:tep|TEP)[ \t]*[0-9]{1,3}"
    r"[ \t]*+(?:\*\*|__|[:：.)\]–—-](?:\*\*|__)?|$)"
)
_NUMBERED = re.compile(r"[ \t]?(?:\*\*|__)?\(?[0-9]{1,3}[.)][ \t]+\S")
_HEADING = re.compile(r"#{1,6}[ \t]+\S")
_FENCE_OPENS = re.compile(r"[ \t]*(?:(?:[-*+•]|[0-9]{1,3}[.)])[ \t]+)?(`{3,}(?=[^`]*$)|~{3,})")
_FENCE_CLOSES = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*$")
_DISPLAY_MARK = re.compile(r"\\(\[|\]|(?:begin|end)\{([A-Za-z]{1,16})\*?\})")
_DISPLAYS = frozenset(
    {"align", "aligned", "alignat", "array", "asy", "bmatrix", "Bmatrix", "cases", "eqnarray"}
    | {"equation", "gather", "gathered", "lstlisting", "matrix", "multline", "pmatrix"}
    | {"smallmatrix", "split", "tabular", "tikzpicture", "verbatim", "vmatrix", "Vmatrix"}
)


def split_steps(text: str, most: int | None = None) -> tuple[StepSpan, ...]:
    """The steps of `text`, in order, disjoint, and with nothing but whitespace between them.

    With `most` (at least 1), neighbours are joined evenly until there are no more than that.
    A blank text has no steps.
    """
    if most is not None and most < 1:
        raise ValueError(f"most is {most}; must be at least 1")
    lines = list(_lines(text))
    inside = _inside_blocks(lines)
    spans: list[StepSpan] = []
    headings: list[bool] = []
    first = 0
    for index in range(1, len(lines) + 1):
        if index < len(lines) and not _begins_step(lines, inside, index):
            continue
        span = _trimmed(text, lines[first].start, lines[index - 1].end)
        if span is not None:
            spans.append(span)
            headings.append(_is_heading(text[span.start : span.end]))
        first = index
    return _evenly(_with_headings(spans, headings), most)


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for ending in _LINE_END.finditer(text):
        yield _Line(start, ending.start(), text[start : ending.start()])
        start = ending.end()
    yield _Line(start, len(text), text[start:])


def _begins_step(lines: Sequence[_Line], inside: Sequence[bool], index: int) -> bool:
    if inside[index]:
        return False
    line, above = lines[index].text, lines[index - 1].text
    if not above.strip() and not inside[index - 1]:
        return True
    return _STEP_LABEL.match(line) is not None or _NUMBERED.match(line) is not None


def _trimmed(text: str, start: int, end: int) -> StepSpan | None:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    right = len(piece.rstrip())
    return StepSpan(start + left, start + right) if left < right else None


def _is_heading(step: str) -> bool:
    """Whether a step is a title only: a Markdown heading, or a label with nothing of its own."""
    if _LINE_END.search(step):
        return False
    if _HEADING.match(step):
        return True
    label = _STEP_LABEL.match(step)
    if label is None:
        return False
    bold = step.lstrip("-*+•# \t").startswith("Step") and step.endswith("**")
    return bold or not step[label.end() :].strip(" \t*_:：.")


def _with_headings(spans: Sequence[StepSpan], headings: Sequence[bool]) -> list[StepSpan]:
    """Joins each heading with the step below it."""
    joined: list[StepSpan] = []
    start: int | None = None
    for index, span in enumerate(spans):
        begin = span.start if start is None else start
        if headings[index] and index + 1 < len(spans):
            start = begin
        else:
            joined.append(StepSpan(begin, span.end))
            start = None
    return joined


def _evenly(spans: Sequence[StepSpan], most: int | None) -> tuple[StepSpan, ...]:
    count = len(spans)
    if most is None or count <= most:
        return tuple(spans)
    edges = [count * part // most for part in range(most + 1)]
    return tuple(
        StepSpan(spans[first].start, spans[beyond - 1].end) for first, beyond in pairwise(edges)
    )


def _inside_blocks(lines: Sequence[_Line]) -> list[bool]:
    """Whether each line lies in a block that is never cut, beyond the block's first line."""
    inside = [False] * len(lines)
    fenced = [False] * len(lines)
    for first, last in _fences(lines):
        for index in range(first, last + 1):
            fenced[index] = True
            inside[index] = index > first
    # Displays may overlap, so they are added up by their edges.
    edges = [0] * (len(lines) + 1)
    for first, last in _displays(lines, fenced):
        edges[first + 1] += 1
        edges[last + 1] -= 1
    depth = 0
    for index in range(len(lines)):
        depth += edges[index]
        inside[index] = inside[index] or depth > 0
    return inside


def _fences(lines: Sequence[_Line]) -> Iterator[tuple[int, int]]:
    """First and last line of each code fence that is closed."""
    closers = [_FENCE_CLOSES.match(line.text) for line in lines]
    longest_below = {"`": [0] * (len(lines) + 1), "~": [0] * (len(lines) + 1)}
    for index in range(len(lines) - 1, -1, -1):
        closer = closers[index]
        for mark, longest in longest_below.items():
            own = len(closer[1]) if closer is not None and closer[1][0] == mark else 0
            longest[index] = max(longest[index + 1], own)
    index = 0
    while index < len(lines):
        opener = _FENCE_OPENS.match(lines[index].text)
        last = index
        if opener is not None and longest_below[opener[1][0]][index + 1] >= len(opener[1]):
            last = index + 1
            while not _closes(closers[last], opener[1]):
                last += 1
            yield index, last
        index = last + 1


def _closes(closer: re.Match[str] | None, opening: str) -> bool:
    return closer is not None and closer[1][0] == opening[0] and len(closer[1]) >= len(opening)


def _displays(lines: Sequence[_Line], fenced: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """First and last line of each displayed formula or listing that is closed."""
    opened: dict[str, list[int]] = {}
    dollars: int | None = None
    for index, line in enumerate(lines):
        if fenced[index]:
            continue
        for mark in _DISPLAY_MARK.finditer(line.text):
            name = mark[2] or "["
            if mark[2] and name not in _DISPLAYS:
                continue
            stack = opened.setdefault(name, [])
            if mark[1] == "[" or mark[1].startswith("begin"):
                stack.append(index)
            elif stack:
                yield stack.pop(), index
        # Only where it stands alone at a line's edge: elsewhere it may be a sum of money.
        if line.text.count("$$") % 2:
            if dollars is not None and line.text.rstrip().endswith("$$"):
                yield dollars, index
                dollars = None
            elif line.text.lstrip().startswith("$$"):
                dollars = index
