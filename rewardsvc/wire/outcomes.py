"""Outcomes and their numbers on the wire."""

from __future__ import annotations

from rewardsvc.types import Outcome
from rewardsvc.v1 import result_pb2

OUTCOME_NUMBERS: dict[Outcome, result_pb2.Outcome] = {
    outcome: getattr(result_pb2, f"OUTCOME_{outcome.name}") for outcome in Outcome
}
OUTCOMES = {int(number): outcome for outcome, number in OUTCOME_NUMBERS.items()}
