"""Which samples are audited, and how they are written down."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from rewardsvc.labels.audit_samples import group_of, sample_json
from rewardsvc.labels.sampling import AuditPlan, chosen
from rewardsvc.types import (
    Chat,
    ChatMessage,
    Component,
    Criterion,
    Group,
    Outcome,
    Reference,
    Response,
    Result,
    Status,
    TestSuite,
    TokenIds,
    Verdict,
)


def result(outcome, **facts):
    return Result("s", Status.OK, verdict=Verdict(outcome, "because", "exact"), **facts)


def scored(count, outcome=Outcome.INCORRECT, prompt="p", start=0):
    """Groups of four, each with its results."""
    groups, results = [], []
    for first in range(start, start + count, 4):
        texts = [f"response {number}" for number in range(first, first + 4)]
        groups.append(Group(f"g{first}", prompt, tuple(Response(t, t) for t in texts)))
        results.append([result(outcome) for _ in texts])
    return groups, results


def texts(plan, groups, results):
    return [each.response.text for each in chosen(plan, groups, results)]


def test_the_shares_are_as_planned():
    plan = AuditPlan("math", "verifier", "judge", negatives=0.1, positives=0.02)
    for outcome, share in (
        (Outcome.INCORRECT, 0.1),
        (Outcome.NO_ANSWER, 0.1),
        (Outcome.CORRECT, 0.02),
        (Outcome.UNDECIDED, 0),
        (Outcome.ERROR, 0),
    ):
        found = list(chosen(plan, *scored(20_000, outcome)))
        expected = 20_000 * share
        assert abs(len(found) - expected) <= 4 * expected**0.5
        assert {each.inclusion_probability for each in found} == ({share} if share else set())


def test_content_decides_and_nothing_else():
    plan = AuditPlan("math", "verifier", "judge", negatives=0.3)
    groups, results = scored(400)
    once = texts(plan, groups, results)
    assert texts(plan, groups[::-1], results)[::-1] != [] and sorted(
        texts(plan, groups[::-1], results)
    ) == sorted(once)
    renamed = [
        Group(f"other {n}", g.prompt, tuple(Response(f"x{n}", r.text) for r in g.responses))
        for n, g in enumerate(groups)
    ]
    assert texts(plan, renamed, results) == once
    assert texts(plan, *scored(400, prompt="another")) != once
    assert texts(AuditPlan("math", "verifier", "judge", 0.3, seed="2"), groups, results) != once


def test_a_greater_share_holds_every_smaller_one():
    groups, results = scored(2_000)
    by_share = [
        set(texts(AuditPlan("m", "v", "j", negatives=share), groups, results))
        for share in (0.05, 0.2, 0.7, 1.0)
    ]
    assert all(small < great for small, great in pairwise(by_share))
    assert len(by_share[-1]) == 2_000


def test_one_component_of_several():
    parts = tuple(
        Component(name, Status.OK, verdict=Verdict(outcome, "r", name))
        for name, outcome in (("format", Outcome.CORRECT), ("math", Outcome.INCORRECT))
    )
    group = Group("g", "p", (Response("a", "text"),))
    combined = result(Outcome.CORRECT, components=parts)
    (found,) = chosen(AuditPlan("r", "math", "j", 1.0, 1.0), [group], [[combined]])
    assert (found.verdict.stage, found.verdict.outcome) == ("math", Outcome.INCORRECT)
    without = result(Outcome.CORRECT, components=parts[:1])
    without.verdict = None
    assert list(chosen(AuditPlan("r", "math", "j", 1.0, 1.0), [group], [[without]])) == []


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_shares_that_cannot_be(share):
    with pytest.raises(ValueError, match=r"positives is .*; must be in \(0, 1\]"):
        AuditPlan("m", "v", "j", positives=share)


IDS = TokenIds(b"\1\0\0\0\2\0\0\0", "tok")


@pytest.mark.parametrize(
    ("prompt", "text", "reference"),
    [
        ("plain \0 ✓", "text", None),
        ("lone \ud800 surrogate", "\udfff", Reference(("42", "forty-two"))),
        (
            Chat((ChatMessage("system", "be brief"), ChatMessage("user", "hi"))),
            "",
            Reference((), "a good response", None, (Criterion("tone", "is kind", 2.0, True),)),
        ),
        (IDS, IDS, Reference(tests=TestSuite("python", '{"x": 1}'))),
    ],
)
def test_a_sample_survives_being_written_down(prompt, text, reference):
    response = Response("s", text, reference)
    group = Group("g", prompt, (Response("other", "o"), response), Reference(("7",)), "algebra", 4)
    written = json.loads(json.dumps(sample_json(group, response)))
    assert group_of(written, "9", "algebra") == Group(
        "9", prompt, (Response("9", text),), reference or Reference(("7",)), "algebra"
    )
