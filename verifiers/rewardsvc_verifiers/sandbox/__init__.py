"""Running hostile programs: levels of isolation, zygotes, jobs.

Knows nothing of tests or verdicts. `levels` says what each level covers and what it does not;
`host` is the trusted side, `zygote` and `runner` the confined one.
"""

from rewardsvc_verifiers.sandbox.levels import (
    Capabilities,
    Level,
    SandboxUnavailableError,
)

__all__ = ["Capabilities", "Level", "SandboxUnavailableError"]
