"""The math verifier: is the answer that a response declares the reference?

A cascade, cheap to dear: declared answer, canonical string, exact numbers, a typed tree,
comparison by type, an identity test, and for what is left bounded sympy in a process that can
be killed. `docs/math.md` in the project describes every stage and every policy knob.

Does not cover: proofs, the reasoning before the answer, and answers in natural language
beyond a table of synonyms.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rewardsvc_verifiers.math.policy import MathPolicy, policy_names, register_policy
from rewardsvc_verifiers.math.symbolic import SymbolicTask
from rewardsvc_verifiers.math.verifier import MathVerifier, PreparedReference
from rewardsvc_verifiers.verdict import Verdict

if TYPE_CHECKING:
    from rewardsvc_verifiers.workers import WorkerPool

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
_lock = threading.Lock()
_pool: WorkerPool | None = None
_verifiers: dict[MathPolicy, MathVerifier] = {}


def verify(
    response: str, reference: str | Sequence[str], policy: MathPolicy = _DEFAULT_POLICY
) -> Verdict:
    """Verify one response against one reference, or several of which any may be matched.

    All stages are on; the symbolic one runs in a small pool that starts when first needed and
    is shut down at exit. Raises ValueError for an empty reference.
    """
    with _lock:
        verifier = _verifiers.get(policy)
        if verifier is None:
            verifier = _verifiers[policy] = MathVerifier(policy, _default_pool())
    result = verifier.attempt(response, verifier.prepare(reference))
    if isinstance(result, Verdict):
        return result
    return result.resolve(result.submit(_default_pool()).result())


def _default_pool() -> WorkerPool:
    global _pool
    if _pool is None:
        from rewardsvc_verifiers.workers import WorkerPool

        _pool = WorkerPool(size=1)
        atexit.register(_pool.close)
    return _pool
