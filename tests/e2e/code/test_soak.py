"""A minute of mixed hostile and ordinary load leaves nothing behind and misjudges nothing."""

from __future__ import annotations

import pytest
import soak
from rewardsvc_verifiers.code import CodeVerifier
from rewardsvc_verifiers.sandbox.probe import capabilities


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minute_of_load_leaks_nothing() -> None:
    if capabilities().level is None or capabilities().level < 1:
        pytest.skip("no sandbox level above RLIMITS is available on this machine")
    with CodeVerifier(workers=2) as verifier:
        readings = soak.run(verifier, seconds=60, every=10)
    assert not readings.wrong
    first, last = readings.rows[0], readings.rows[-1]
    assert last["jobs"] > first["jobs"]
    assert last["descriptors"] <= first["descriptors"]
    assert last["processes"] <= first["processes"]
    assert last["own_mounts"] == first["own_mounts"]
    assert last["resident_mebibytes"] - first["resident_mebibytes"] < 32
    assert last["sandbox_mebibytes"] - first["sandbox_mebibytes"] < 32
