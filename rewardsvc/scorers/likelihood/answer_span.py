"""Where a response declares its final answer: between the last pair of two marks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AnswerMarks"]


@dataclass(frozen=True, slots=True)
class AnswerMarks:
    """What stands before and after the final answer, e.g. `<answer>` and `</answer>`.

    Where `start` ends with `{` and `end` is `}`, braces within the answer are matched, as in
    `\\boxed{\\frac{1}{2}}`.
    """

    start: str
    end: str

    def find(self, response: str) -> tuple[int, int] | None:
        """Characters start:end of the last answer; None where it is not there or not closed."""
        at = response.rfind(self.start)
        if at < 0:
            return None
        begin = at + len(self.start)
        if self.start.endswith("{") and self.end == "}":
            return self._braces(response, begin)
        end = response.find(self.end, begin)
        return None if end < 0 else (begin, end)

    def _braces(self, response: str, begin: int) -> tuple[int, int] | None:
        depth = 1
        for index in range(begin, len(response)):
            depth += {"{": 1, "}": -1}.get(response[index], 0)
            if depth == 0:
                return begin, index
        return None
