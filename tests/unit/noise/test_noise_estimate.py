"""Noise estimates: what a verdict's correction is, strict JSON, and the guard."""

from __future__ import annotations

import json

import pytest

from rewardsvc.errors import ConfigError
from rewardsvc.noise import NoiseCell, NoiseEstimate, RateEstimate

GOOD = RateEstimate(0.1, 0.05, 0.2, 100.0)
FAIR = RateEstimate(0.2, 0.1, 0.3, 100.0)
BAD = RateEstimate(0.5, 0.3, 0.7, 10.0)
ESTIMATE = NoiseEstimate(
    "boxed",
    (
        NoiseCell(GOOD, FAIR),
        NoiseCell(BAD, BAD, stage="string"),
        NoiseCell(FAIR, GOOD, stage="numeric", answer_type="integer"),
        NoiseCell(GOOD, GOOD, domain="algebra"),
    ),
    labels=200,
)


def test_a_verdict_gets_its_correction() -> None:
    noise = ESTIMATE.noise(True)
    assert (noise.false_positive_rate, noise.false_negative_rate) == (0.1, 0.2)
    assert noise.corrected_reward == pytest.approx(1.285714, abs=1e-6)
    assert noise.forward_weight == pytest.approx(0.2)
    assert noise.version == ESTIMATE.version
    assert ESTIMATE.noise(False).corrected_reward == pytest.approx(-0.142857, abs=1e-6)


def test_the_narrowest_cell_counts() -> None:
    assert ESTIMATE.cell("numeric", "integer", "algebra").key == ("numeric", "integer", "")
    assert ESTIMATE.cell("numeric", "rational").key == ("", "", "")
    assert ESTIMATE.cell("string", "integer", "algebra").key == ("string", "", "")
    assert ESTIMATE.cell("numeric", "rational", "algebra").key == ("", "", "algebra")


def test_a_verifier_that_may_be_useless_is_disabled_and_says_why() -> None:
    noise = ESTIMATE.noise(True, "string")
    assert (noise.corrected_reward, noise.forward_weight) == (None, None)
    cell = ESTIMATE.cell("string")
    assert not cell.enabled
    assert "disabled for stage string" in cell.reason
    assert "Youden index 0.000" in cell.reason
    assert ESTIMATE.cell().enabled and ESTIMATE.cell().reason == ""


def test_json_round_trip() -> None:
    content = json.loads(json.dumps(ESTIMATE.to_json(), allow_nan=False))
    again = NoiseEstimate.from_json(content)
    assert again == ESTIMATE
    assert again.version == ESTIMATE.version == content["version"]


def _changed(**changes: object) -> dict[str, object]:
    return {**json.loads(json.dumps(ESTIMATE.to_json())), **changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be an object"),
        (_changed(schema="rewardsvc.noise/0"), "schema is"),
        (_changed(labels=201), "changed after it was made"),
        (_changed(labels="many"), "labels: is 'many'"),
        (_changed(more=1), "unknown keys: more"),
        (_changed(level=float("nan")), "level: is nan; must be a finite number"),
        (_changed(cells=[]), "the one of everything"),
        (_changed(cells=[{"stage": ""}]), "false_positive_rate: is missing"),
        (_changed(cells=ESTIMATE.to_json()["cells"] * 2), "two have the same stage"),
        (_changed(fitted_at="now"), "Invalid isoformat"),
    ],
)
def test_content_that_is_no_estimate_is_refused(content: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NoiseEstimate.from_json(content)


def test_rates_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="lower <= rate <= upper"):
        NoiseEstimate("v", (NoiseCell(RateEstimate(0.3, 0.4, 0.5, 1.0), GOOD),))
    with pytest.raises(ValueError, match="labels is nan"):
        NoiseEstimate("v", (NoiseCell(RateEstimate(0.3, 0.2, 0.5, float("nan")), GOOD),))
