"""Which level is accepted, what is said when it is not, and delegated cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest
from rewardsvc_verifiers.sandbox import Capabilities, Level, SandboxUnavailableError, cgroups
from rewardsvc_verifiers.sandbox.levels import require
from rewardsvc_verifiers.sandbox.profile import Profile


def found(level: Level | None) -> Capabilities:
    return Capabilities(level, 0, False, ("Landlock is absent or refused",))


@pytest.mark.parametrize("level", [Level.NAMESPACES, Level.LANDLOCK, Level.FULL])
def test_anything_but_rlimits_is_accepted_by_default(level: Level) -> None:
    assert require(found(level), None) is level


@pytest.mark.parametrize("level", [None, Level.RLIMITS])
def test_too_little_is_refused_and_said_why(level: Level | None) -> None:
    with pytest.raises(SandboxUnavailableError, match="Landlock is absent"):
        require(found(level), None)


def test_rlimits_only_by_name() -> None:
    assert require(found(Level.RLIMITS), Level.RLIMITS) is Level.RLIMITS
    with pytest.raises(SandboxUnavailableError, match=r"FULL \(3\) is not available"):
        require(found(Level.LANDLOCK), Level.FULL)


def test_profiles_travel_as_json() -> None:
    profile = Profile("x", "y", preload=("a",), read=("/b",), compiler=True)
    assert Profile.from_json(profile.to_json()) == profile


def test_a_delegated_cgroup_is_found_and_its_leaves_are_bounded(tmp_path: Path) -> None:
    membership = tmp_path / "membership"
    membership.write_text("4:memory:/x\n0::/service\n")
    service = tmp_path / "root" / "service"
    service.mkdir(parents=True)
    root = tmp_path / "root"
    control = service / "cgroup.subtree_control"
    control.write_text("pids\n")
    assert cgroups.delegated(root, membership) is None
    control.write_text("cpu memory pids\n")
    assert cgroups.delegated(root, membership) == service
    leaf = cgroups.lease(root, membership)
    assert leaf is not None
    assert int((leaf / "memory.max").read_text()) == cgroups.LEAF_MEMORY_BYTES
    assert (leaf / "pids.max").read_text() == "512"
    cgroups.enter(leaf)
    assert (leaf / "cgroup.procs").read_text() == "0"
    assert cgroups.lease(tmp_path, tmp_path / "nowhere") is None
