"""The client is a light install: nothing heavy is loaded, and no server code."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch transformers ray pyarrow sympy sklearn scipy pydantic typer rich yaml structlog "
    "prometheus_client flint rewardsvc.server rewardsvc.scorers rewardsvc.engines"
)


@pytest.mark.parametrize(
    "program",
    [
        "import rewardsvc",
        "import rewardsvc.client, rewardsvc.client.testing",
        "from rewardsvc import Client, AsyncClient; Client('127.0.0.1:1').close()",
        "import rewardsvc.cli",
    ],
)
def test_nothing_heavy_is_loaded(program):
    check = f"import sys; print([m for m in {HEAVY!r}.split() if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{check}"], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_package_alone_does_not_load_grpc():
    check = "import sys, rewardsvc; print('grpc' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_everything_announced_is_there():
    import rewardsvc

    assert all(getattr(rewardsvc, name) is not None for name in rewardsvc.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Cleint'"):
        _ = rewardsvc.Cleint
