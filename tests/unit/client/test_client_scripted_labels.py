"""The scripted clients' label calls."""

from __future__ import annotations

from datetime import UTC, datetime
from inspect import signature

import pytest

from rewardsvc import AsyncClient, Client
from rewardsvc.client.testing import ScriptedAsyncClient, ScriptedClient
from rewardsvc.errors import InvalidRequest, RewardServiceError
from rewardsvc.labels.types import Calibration, Label, LabelSource, NoiseRates, Recorded

FITTED = Calibration("v1", "isotonic", "", (), {}, 20, 5, datetime(2026, 1, 1, tzinfo=UTC))


def test_labels_are_kept_and_replaced():
    client = ScriptedClient(1.0)
    first = {"sample_id": "a", "value": 1}
    assert client.record_labels("math", [first]) == Recorded(1, 0)
    assert client.record_labels("math", [first]) == Recorded(1, 0)
    assert client.record_labels("math", [Label("a", 0.0), Label("b", 1.0)]) == Recorded(2, 1)
    assert client.labels["math", ""]["a", LabelSource.PERSON] == Label("a", 0.0)
    with pytest.raises(InvalidRequest, match=r"labels\[0\]\.value"):
        client.record_labels("math", [Label("a", 2.0)])


async def test_answers_are_those_that_were_given():
    client = ScriptedAsyncClient(1.0)
    with pytest.raises(RewardServiceError, match="no calibration") as caught:
        await client.fit_calibrator("math")
    assert caught.value.code == "NOT_FOUND"
    client.calibrations["math", "", ""] = FITTED
    assert await client.fit_calibrator("math") is FITTED
    assert await client.calibration("math", version="v1") is FITTED
    with pytest.raises(RewardServiceError):
        await client.calibration("math", version="v0")
    assert await client.noise_rates("math") == NoiseRates("")
    client.rates["math", ""] = NoiseRates("n1")
    assert await client.noise_rates("math") == NoiseRates("n1")
    assert await client.record_labels("math", [Label("a", 1.0)]) == Recorded(1, 0)


def test_the_doubles_take_what_the_real_clients_take():
    for real, double in ((AsyncClient, ScriptedAsyncClient), (Client, ScriptedClient)):
        for name in ("record_labels", "fit_calibrator", "calibration", "noise_rates"):
            assert signature(getattr(real, name)) == signature(getattr(double, name)), name
