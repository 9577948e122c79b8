"""Finds out what this machine lets us isolate with, by doing it.

Covers: each level is tried for real, from the strongest down, in a throw-away zygote, because
container runtimes, AppArmor, sysctls and gVisor each refuse in their own way.
Does not cover: how well gVisor or the container around us isolates.
"""

from __future__ import annotations

import functools

from rewardsvc_verifiers.sandbox import cgroups, landlock
from rewardsvc_verifiers.sandbox.host import SandboxError, Zygote
from rewardsvc_verifiers.sandbox.levels import Capabilities, Level
from rewardsvc_verifiers.sandbox.profile import Profile

_PROGRAMS = "rewardsvc_verifiers.sandbox.probe_programs"


@functools.cache
def capabilities() -> Capabilities:
    """What this machine gives; probed once per process (under a second)."""
    abi = landlock.abi()
    missing = [] if abi else ["Landlock is absent or refused"]
    found: Level | None = None
    for level in sorted(Level, reverse=True):
        if level in (Level.FULL, Level.LANDLOCK) and not abi:
            continue
        try:
            with Zygote.start(Profile("probe", _PROGRAMS), level) as zygote, zygote.job():
                found = level
                break
        except SandboxError as error:
            missing.append(str(error))
    return Capabilities(found, abi, cgroups.delegated() is not None, tuple(missing))
