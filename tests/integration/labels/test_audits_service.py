"""A verifier that is audited while the server scores, to rates that correct its rewards."""

from __future__ import annotations

import asyncio
import random

import pytest

from rewardsvc import AsyncClient, Sample, Status

CONFIG = """
server: {address: "127.0.0.1:0", store: "sqlite:///audits.db"}
scorers:
  boxed: {kind: format, boxed_answer: true}
  long: {kind: format, minimum_characters: 40}
rewards:
  audited:
    monitoring: {}
    components:
      - scorer: boxed
        noise: {mode: backward, audit: {judge: long, negatives: 1, positives: 1}}
"""
COUNTS = {("box", "long"): 140, ("box", "short"): 20, ("", "long"): 60, ("", "short"): 180}
"""By what the verifier looks for, and what makes a response right."""


def samples():
    made = []
    for (box, length), count in COUNTS.items():
        for number in range(count):
            text = (r"\boxed{1}" if box else "1") + f" {number} {len(made)}"
            text += "." * 60 if length == "long" else ""
            made.append(Sample(f"prompt {len(made)}", text, sample_id=str(len(made))))
    random.Random(0).shuffle(made)
    return made


async def test_audits_become_corrected_rewards(start_server):
    server = await start_server(CONFIG)
    book = server._learning.book
    known = asyncio.Event()
    book.on_change(lambda snapshot: known.set() if snapshot.estimates else None)
    async with AsyncClient(server.address) as client:
        first = await client.score("audited", samples())
        assert {result.status for result in first} == {Status.ABSTAINED}
        assert "error rates are not known yet" in first[0].reason
        async with asyncio.timeout(60):
            while (estimate := book.noise("audited", "boxed")) is None or estimate.labels < 300:
                known.clear()
                await known.wait()
        everything = (await client.noise_rates("audited")).rates[0]
        assert everything.false_positive_rate.rate == pytest.approx(20 / 200, abs=0.06)
        assert everything.false_negative_rate.rate == pytest.approx(60 / 200, abs=0.08)
        boxed, plain = await client.score(
            "audited", [Sample("p", r"\boxed{1}"), Sample("p", "no box")]
        )
        rates = estimate.cell(boxed.verdict.stage, boxed.verdict.answer_type)
        youden = 1 - rates.false_positive_rate.rate - rates.false_negative_rate.rate
        assert boxed.reward > 1 > 0 > plain.reward
        assert boxed.reward - plain.reward == pytest.approx(1 / youden, rel=0.3)
        assert boxed.do_not_group_normalise
        assert boxed.versions["noise/boxed"] == boxed.noise.version
        reward = await client.get_reward("audited")
        (lost,) = [monitor for monitor in reward.monitors if monitor.name == "audits_lost"]
        assert (lost.value, lost.samples >= 400, lost.scorer) == (0.0, True, "boxed")
