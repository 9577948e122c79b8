"""Rule-based verifiers for model-written answers: math, code and format.

A library of its own: it imports neither grpc nor torch nor rewardsvc, and importing it
loads no sympy.
"""

from rewardsvc_verifiers.verdict import Outcome, TestOutcome, TestStatus, Verdict

__all__ = ["Outcome", "TestOutcome", "TestStatus", "Verdict"]
