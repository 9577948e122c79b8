"""Recording, fitting and asking, on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from fixtures.labelled import labels_of_scores

from rewardsvc.calibration import CalibrationFailed
from rewardsvc.errors import InvalidRequest, UnknownReward
from rewardsvc.labels.errors import CalibrationUnknown, LabelsInsufficient
from rewardsvc.labels.types import Label, LabelSource, NoiseRates, Recorded


async def test_a_fit_is_in_force_when_it_returns(replica):
    labels = labels_of_scores(400)
    assert await replica.ledger.record("math", "", labels) == Recorded(400, 0)
    fitted = await replica.ledger.fit("math", "verifier")
    assert (fitted.method, fitted.domain, fitted.labels, fitted.clusters) == (
        "isotonic",
        "",
        400,
        100,
    )
    calibrator = replica.book.calibrator("math", "verifier", "algebra")
    assert calibrator.version == fitted.version
    truth = 1 / (1 + np.exp(-2 * np.linspace(-2.5, 2.5, 11)))
    assert abs(calibrator.apply(np.linspace(-2.5, 2.5, 11)) - truth).max() < 0.2
    assert await replica.ledger.calibration("math", "verifier") == fitted
    assert fitted.metrics["expected_calibration_error"] < 0.1 < 0.8 < fitted.metrics["auroc"]
    for point in fitted.curve:
        assert 0 <= point.lower <= point.probability <= point.upper <= 1
    assert [point.score for point in fitted.curve] == sorted(p.score for p in fitted.curve)


async def test_old_versions_stay_readable(replica):
    await replica.ledger.record("math", "", labels_of_scores(100))
    first = await replica.ledger.fit("math", "")
    await replica.ledger.record("math", "", labels_of_scores(300, seed=1))
    second = await replica.ledger.fit("math", "", method="histogram")
    assert second.version != first.version and second.labels == 400
    assert await replica.ledger.calibration("math", "") == second
    assert await replica.ledger.calibration("math", "", version=first.version) == first


async def test_fitting_again_on_the_same_labels_changes_nothing(replica):
    await replica.ledger.record("math", "", labels_of_scores(100))
    first = await replica.ledger.fit("math", "")
    again = await replica.ledger.fit("math", "")
    assert again == first


async def test_other_replicas_pick_up_what_one_has_fitted(start_replica):
    one, other = await start_replica(), await start_replica(poll_seconds=0.01)
    changed = asyncio.Event()
    other.book.on_change(lambda snapshot: changed.set())
    await one.ledger.record("math", "", labels_of_scores(100))
    fitted = await one.ledger.fit("math", "")
    async with asyncio.timeout(60):
        await changed.wait()
    assert other.book.calibrator("math", "verifier").version == fitted.version
    assert other.book.version == one.book.version
    assert await other.ledger.calibration("math", "") == fitted


async def test_a_domain_has_its_own_calibrator_and_others_fall_back(replica):
    await replica.ledger.record("math", "", labels_of_scores(200, domain="algebra"))
    await replica.ledger.record("math", "", labels_of_scores(200, domain="geometry", steepness=0.5))
    everywhere = await replica.ledger.fit("math", "")
    geometry = await replica.ledger.fit("math", "", "geometry")
    assert geometry.domain == "geometry" and everywhere.domain == ""
    book = replica.book
    assert book.calibrator("math", "verifier", "geometry").version == geometry.version
    assert book.calibrator("math", "verifier", "algebra").version == everywhere.version
    assert await replica.ledger.calibration("math", "", "geometry") == geometry
    assert await replica.ledger.calibration("math", "", "number theory") == everywhere
    # A version belongs to its domain: it is not looked for elsewhere.
    with pytest.raises(CalibrationUnknown, match="'algebra' has no calibrator"):
        await replica.ledger.calibration("math", "", "algebra", version=everywhere.version)


async def test_what_is_left_out_of_a_fit_is_said(replica):
    labels = labels_of_scores(60)
    oracle = [replace(label, source=LabelSource.ORACLE, value=0.0) for label in labels[:10]]
    judge = [replace(label, source=LabelSource.JUDGE, value=0.0) for label in labels]
    scoreless = [replace(label, sample_id=f"n{n}", score=None) for n, label in enumerate(labels)]
    await replica.ledger.record("math", "", labels)
    first = await replica.ledger.fit("math", "")
    await replica.ledger.record("math", "", [*oracle, *judge, *scoreless[:5]])
    second = await replica.ledger.fit("math", "")
    assert second.version == first.version  # the person's labels count, the rest changes nothing
    assert await _warned(replica, "10 labels are by an oracle where a person has said")
    assert await _warned(replica, "60 labels are by judges")
    assert await _warned(replica, "5 labels have no score")


async def _warned(replica, text):
    calibration = await replica.ledger.fit("math", "")
    return any(text in warning for warning in calibration.warnings)


async def test_a_fit_that_nothing_uses_says_so(replica):
    await replica.ledger.record("mixed", "verifier", labels_of_scores(60))
    fitted = await replica.ledger.fit("mixed", "verifier")
    assert any("results stay as they are" in warning for warning in fitted.warnings)
    await replica.ledger.record("mixed", "ensemble", labels_of_scores(60))
    fitted = await replica.ledger.fit("mixed", "ensemble")
    assert fitted.method == "autocal"
    assert not any("results stay" in warning for warning in fitted.warnings)


@pytest.mark.parametrize(
    ("reward", "scorer", "kind", "said"),
    [
        ("maths", "", UnknownReward, r"'maths' is not configured; there are: math, mixed \(did"),
        ("mixed", "", InvalidRequest, "scorer: is empty, but there are several"),
        ("mixed", "verfier", InvalidRequest, r"it has: ensemble, verifier \(did you mean 'verif"),
        ("math", "ensemble", InvalidRequest, "is not in reward 'math'; it has: verifier"),
    ],
)
async def test_unknown_names_are_told_what_there_is(replica, reward, scorer, kind, said):
    ledger = replica.ledger
    for call in (
        ledger.record(reward, scorer, labels_of_scores(1)),
        ledger.fit(reward, scorer),
        ledger.calibration(reward, scorer),
        ledger.noise_rates(reward, scorer),
    ):
        with pytest.raises(kind, match=said):
            await call


async def test_before_there_is_anything(replica):
    with pytest.raises(CalibrationUnknown, match="has no calibrator: record labels, then"):
        await replica.ledger.calibration("math", "")
    with pytest.raises(LabelsInsufficient, match="none is stored"):
        await replica.ledger.fit("math", "")
    with pytest.raises(InvalidRequest, match="labels: is empty"):
        await replica.ledger.record("math", "", [])
    assert await replica.ledger.noise_rates("math", "") == NoiseRates("")
    assert replica.book.calibrator("math", "verifier") is None
    assert replica.book.noise("math", "verifier") is None


async def test_labels_that_do_not_do_leave_the_old_calibrator_in_force(replica):
    await replica.ledger.record("math", "", labels_of_scores(100))
    first = await replica.ledger.fit("math", "")
    upside_down = [replace(label, value=1 - label.value) for label in labels_of_scores(100)]
    assert await replica.ledger.record("math", "", upside_down) == Recorded(100, 100)
    with pytest.raises(CalibrationFailed, match="inverted"):
        await replica.ledger.fit("math", "")
    with pytest.raises(InvalidRequest, match="method: is 'isotnic'; allowed: autocal, beta"):
        await replica.ledger.fit("math", "", method="isotnic")
    assert replica.book.calibrator("math", "verifier").version == first.version


async def test_wrong_labels_are_refused_whole_and_named(replica):
    good = labels_of_scores(3)
    wrong = [
        good[0],
        replace(good[1], value=nan),
        replace(good[2], score=inf, inclusion_probability=0.0),
        replace(good[0], value=1.0),
    ]
    with pytest.raises(InvalidRequest) as caught:
        await replica.ledger.record("math", "", wrong)
    assert [violation.field for violation in caught.value.violations] == [
        "labels[1].value",
        "labels[2].score",
        "labels[2].inclusion_probability",
        "labels[3].sample_id",
    ]
    assert await replica.ledger.record("math", "", good) == Recorded(3, 0)


async def test_a_label_of_another_source_is_another_label(replica):
    label = Label("a", 1.0, 0.5)
    assert await replica.ledger.record("math", "", [label]) == Recorded(1, 0)
    judge = replace(label, source=LabelSource.JUDGE)
    assert await replica.ledger.record("math", "", [judge, label]) == Recorded(2, 0)
