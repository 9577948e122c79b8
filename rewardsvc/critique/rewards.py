"""CAPO's reward of each step, from the outcome and the wrong steps."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["capo_range", "capo_rewards"]


def capo_rewards(
    wrongness: Sequence[float],
    outcome: float | None,
    whole_weight: float = 2.0,
    process_weight: float = 1.0,
) -> list[float]:
    """R_t = r_v · W_whole − wrong_t · W_process for each step t.

    CAPO (arXiv 2508.02298). `outcome` is r_v in [0, 1], 1 for a right answer; None leaves that
    term out. `wrongness` is in [0, 1], 1 for a wrong step. With the default weights a step is
    worth 2 (right, in a right response), 1, 0 or −1; the whole outweighs the process, so that
    a right response never earns less than a wrong one.

    Raises:
        ValueError: an outcome or wrongness outside [0, 1].
    """
    for number in [*wrongness, *([] if outcome is None else [outcome])]:
        if not 0 <= number <= 1:
            raise ValueError(f"{number} is not in [0, 1]")
    whole = 0.0 if outcome is None else outcome * whole_weight
    return [whole - wrong * process_weight for wrong in wrongness]


def capo_range(
    has_outcome: bool, whole_weight: float, process_weight: float
) -> tuple[float, float]:
    """Smallest and largest reward of a step."""
    return -process_weight, whole_weight if has_outcome else 0.0
