"""Error rates from labels and from audits: right on average, counted once, told apart."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from fixtures.labelled import labels_of_verdicts

from rewardsvc.labels import noise_learning
from rewardsvc.labels.estimating import estimate_from_audits, estimate_from_labels, judge_errors
from rewardsvc.noise import AppealRefused, AuditFailed, Judge
from rewardsvc.store import audits, noise
from rewardsvc.store.audits import AuditOutcome, AuditRow, FinishedAudit
from rewardsvc.store.labels import LabelRow
from rewardsvc.store.noise import ScorerKey

KEY = ScorerKey("math", "verifier")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRUE = (0.1, 0.3)
"""The verifier's rates of a false positive and a false negative."""


def stored(labels):
    return [
        LabelRow(
            label.sample_id,
            label.source.value,
            label.cluster_id,
            label.value,
            label.score,
            label.outcome.value,
            label.stage,
            label.answer_type,
        )
        for label in labels
    ]


def audited(count, *, seed=0, judge=(0.0, 0.0), negatives=0.2, positives=0.1, rates=TRUE):
    """Audits of a verifier by a judge who accepts wrong ones, and misses right ones, at `judge`."""
    draw = random.Random(seed)
    made = []
    while len(made) < count:
        right = draw.random() < 0.5
        accepted = right != (draw.random() < rates[1 if right else 0])
        share = positives if accepted else negatives
        if draw.random() < share:
            judged = right != (draw.random() < judge[1 if right else 0])
            place = len(made)
            made.append(
                AuditOutcome(place, accepted, float(judged), f"c{place}", "exact", "", "", share)
            )
    return made


def rates(estimate):
    cell = estimate.cell()
    return cell.false_positive_rate.rate, cell.false_negative_rate.rate


def test_gold_labels_give_both_rates_for_each_kind():
    estimate = estimate_from_labels("verifier", stored(labels_of_verdicts(4_000)), NOW)
    assert rates(estimate) == pytest.approx(TRUE, abs=0.03)
    assert estimate.cell("exact", "integer").enabled
    assert (estimate.method, estimate.labels) == ("gold_labels", 4_000)


def test_a_persons_word_counts_before_an_oracles_and_a_judges_not_at_all():
    person = stored(labels_of_verdicts(200))
    oracle = [replace(row, source="oracle", value=1 - row.value) for row in person]
    judge = [replace(row, source="judge", value=1 - row.value) for row in person]
    undecided = [replace(row, sample_id="u" + row.sample_id, outcome="undecided") for row in person]
    alone = estimate_from_labels("verifier", person, NOW)
    assert estimate_from_labels("verifier", oracle + judge + undecided + person, NOW) == alone
    with pytest.raises(AuditFailed):
        estimate_from_labels("verifier", judge, NOW)


def test_a_judges_errors_come_from_samples_with_both_labels():
    draw = random.Random(0)
    gold = stored(labels_of_verdicts(2_000))
    judged = [
        replace(
            row,
            source="judge",
            value=float(row.value != (draw.random() < (0.15 if row.value else 0.35))),
        )
        for row in gold
    ]
    judge = judge_errors(gold + judged)
    assert judge == pytest.approx((0.35, 0.15), abs=0.05)
    assert judge_errors(gold + judged[:30]) is None
    assert judge_errors(judged) is None


def test_a_judge_that_errs_is_corrected_for():
    """The bias that the correction is for: a judge's false alarms look like misses."""
    errs = (0.336, 0.162)
    outcomes = audited(6_000, judge=errs)
    plain = estimate_from_audits("v", outcomes, None, None, NOW)
    corrected = estimate_from_audits("v", outcomes, Judge(*errs), None, NOW)
    assert rates(plain)[1] > TRUE[1] + 0.08
    assert rates(corrected) == pytest.approx(TRUE, abs=0.04)
    assert "taken at its word" in plain.warnings[0]
    assert corrected.warnings == ()
    assert corrected.cell("exact").key == ("exact", "", "")


def test_batches_are_averaged_and_kinds_without_audits_stay():
    first = estimate_from_audits("v", audited(400, seed=1), None, None, NOW)
    other_stage = [replace(each, stage="symbolic") for each in audited(400, seed=2)]
    second = estimate_from_audits("v", other_stage, None, first, NOW)
    assert (second.updates, second.labels) == (2, 800)
    assert second.cell("exact") == first.cell("exact")
    assert second.cell("symbolic").stage == "symbolic"
    batch = estimate_from_audits("v", other_stage, None, None, NOW)
    for place in (0, 1):
        expected = 0.9 * rates(first)[place] + 0.1 * rates(batch)[place]
        assert rates(second)[place] == pytest.approx(expected)


def test_audits_that_say_nothing_are_refused():
    right = [replace(each, value=1.0) for each in audited(50)]
    with pytest.raises(AuditFailed, match="none of the 50 audited responses is wrong"):
        estimate_from_audits("v", right, None, None, NOW)
    with pytest.raises(AppealRefused, match="no better than chance"):
        estimate_from_audits("v", audited(200), Judge(0.5, 0.5), None, NOW)


async def test_recorded_labels_become_rates_on_every_replica(start_replica):
    one, other = await start_replica(), await start_replica()
    assert (await one.ledger.noise_rates("math", "")).rates == ()
    labels = labels_of_verdicts(600)
    await one.ledger.record("math", "", labels[:300])
    await one.ledger.record("math", "", labels[300:])
    known = await one.ledger.noise_rates("math", "")
    assert known.rates[0].stage == known.rates[0].answer_type == known.rates[0].domain == ""
    assert known.rates[0].false_negative_rate.rate == pytest.approx(0.3, abs=0.1)
    assert [rate.stage for rate in known.rates] == ["", "exact", "exact"]
    assert one.book.noise("math", "verifier").version == known.version
    assert one.book.noise("math", "verifier").labels == 600
    await other.book.refresh()
    assert other.book.noise("math", "verifier").version == known.version
    assert await other.ledger.noise_rates("math", "", "algebra") == replace(known, rates=())


async def test_labels_without_verdicts_estimate_nothing(replica):
    scores = [replace(label, outcome=None) for label in labels_of_verdicts(50)]
    await replica.ledger.record("math", "", scores)
    assert (await replica.ledger.noise_rates("math", "")).version == ""
    # One-sided labels are kept until others come.
    wrong = [replace(label, value=0.0) for label in labels_of_verdicts(50)]
    await replica.ledger.record("math", "", wrong)
    assert (await replica.ledger.noise_rates("math", "")).version == ""


async def test_audits_are_counted_once_whoever_counts(start_replica, monkeypatch):
    monkeypatch.setattr(noise_learning, "AUDITS_A_BATCH", 60)
    one, other = await start_replica(), await start_replica()
    await store_audits(one.database, audited(59, seed=3), "first")
    assert not await one.ledger.noise.from_audits(KEY)
    await store_audits(one.database, audited(100, seed=4), "second")
    moved = await asyncio.gather(
        *(replica.ledger.noise.from_audits(KEY) for replica in (one, other, one, other))
    )
    assert sorted(moved) == [False, False, False, True]
    assert await one.database.read(partial(audits.uncounted, key=KEY)) == []
    await one.book.refresh()
    estimate = one.book.noise(*KEY)
    assert (estimate.labels, estimate.updates) == (159, 1)
    await store_audits(one.database, audited(60, seed=5), "third")
    assert await other.ledger.noise.from_audits(KEY)
    assert other.book.noise(*KEY).updates == 2
    old = await one.database.read(partial(noise.find, key=KEY, version=estimate.version))
    assert old.labels == 159


async def test_audits_that_support_nothing_wait_for_others(replica, monkeypatch):
    monkeypatch.setattr(noise_learning, "AUDITS_A_BATCH", 10)
    right = [replace(each, value=1.0) for each in audited(10)]
    await store_audits(replica.database, right, "right")
    assert not await replica.ledger.noise.from_audits(KEY)
    wrong = [replace(each, value=0.0) for each in audited(10, seed=1)]
    await store_audits(replica.database, wrong, "wrong")
    assert await replica.ledger.noise.from_audits(KEY)
    assert replica.book.noise(*KEY).labels == 20


async def store_audits(database, outcomes, prefix):
    rows = [
        AuditRow(
            *KEY,
            f"{prefix}{each.id}",
            f"s{each.id}",
            each.cluster_id,
            each.accepted,
            each.stage,
            each.answer_type,
            each.domain,
            each.inclusion_probability,
            {"prompt": "p", "response": "r", "reference": None},
        )
        for each in outcomes
    ]
    values = {row.fingerprint: each.value for row, each in zip(rows, outcomes, strict=True)}

    def store(connection):
        audits.add(connection, rows)
        claimed = audits.claim(connection, KEY, len(rows), 60)
        done = [FinishedAudit(a.id, values[a.row.fingerprint], "judge") for a in claimed]
        audits.finish(connection, done)

    await database.write(store)
