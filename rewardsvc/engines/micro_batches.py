"""Which sequences are run together: sorted by length, cut by a budget of padded tokens."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["plan_micro_batches"]


def plan_micro_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Indices of `lengths`, longest first, in lists whose padded size fits the budget.

    A list's padded size is its longest length times its count. A sequence longer than the
    budget is alone. Longest first, so that memory that does not suffice shows at once.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    longest = 0
    for index in order:
        if batches and longest * (len(batches[-1]) + 1) <= token_budget:
            batches[-1].append(index)
        else:
            batches.append([index])
            longest = max(lengths[index], 1)
    return batches
