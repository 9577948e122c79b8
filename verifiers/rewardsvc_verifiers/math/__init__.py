"""The math verifier: is the answer that a response declares the reference?

Does not cover: proofs, the reasoning before the answer, and answers in natural language
beyond a table of synonyms.
"""

from __future__ import annotations

from collections.abc import Sequence

from rewardsvc_verifiers.math.policy import MathPolicy, policy_names, register_policy
from rewardsvc_verifiers.math.verifier import MathVerifier, PreparedReference, SymbolicTask
from rewardsvc_verifiers.verdict import Verdict

__all__ = [
    "MathPolicy",
    "MathVerifier",
    "PreparedReference",
    "SymbolicTask",
    "policy_names",
    "register_policy",
    "verify",
]

_DEFAULT_POLICY = MathPolicy()


def verify(
    response: str, reference: str | Sequence[str], policy: MathPolicy = _DEFAULT_POLICY
) -> Verdict:
    """Verify one response against one reference, or several of which any may be matched."""
    return MathVerifier(policy).verify(response, reference)
