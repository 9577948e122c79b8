"""Verifying programs: test suites, sandboxed execution, verdicts per test, rewards."""

from rewardsvc_verifiers.code.suite import Limits, TestSuite
from rewardsvc_verifiers.code.verifier import CodeVerifier

__all__ = ["CodeVerifier", "Limits", "TestSuite"]
