"""What goes onto the wire comes back the same; what cannot go is refused with its place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.errors import (
    DeadlineUnreachable,
    FieldViolation,
    InternalError,
    InvalidRequest,
    MessageTooLarge,
    Overloaded,
    QueueFull,
    RewardServiceError,
    Unavailable,
    UnknownReward,
)
from rewardsvc.types import (
    Chat,
    ChatMessage,
    Component,
    Confidence,
    Criterion,
    CriterionVerdict,
    Detail,
    Evidence,
    Group,
    MemberScore,
    Monitor,
    Noise,
    Outcome,
    Reference,
    Response,
    Result,
    RewardDescription,
    ScoreOptions,
    ScorerDescription,
    ShapingTerm,
    Status,
    Step,
    TestOutcome,
    TestStatus,
    TestSuite,
    Timing,
    TokenIds,
    Usage,
    Verdict,
    Vote,
)
from rewardsvc.v1 import result_pb2, reward_service_pb2, sample_pb2
from rewardsvc.wire.failures import error_of, status_of
from rewardsvc.wire.results import fill_results, result_from_message
from rewardsvc.wire.rewards import reward_from_message, reward_message
from rewardsvc.wire.samples import (
    groups_from_message,
    groups_to_messages,
    options_from_message,
    options_to_message,
)

texts = st.text(max_size=30)
names = st.text(min_size=1, max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | finite
probabilities = st.floats(0, 1)
numbers = st.dictionaries(texts, finite, max_size=2)
token_ids = st.builds(
    TokenIds, st.binary(min_size=4, max_size=12).map(lambda b: b[: len(b) // 4 * 4]), names
)
references = st.builds(
    Reference,
    st.lists(texts, max_size=3).map(tuple),
    texts,
    st.none() | st.builds(TestSuite, texts, texts),
    st.lists(st.builds(Criterion, names, texts, st.floats(0, 1e6), st.booleans()), max_size=2).map(
        tuple
    ),
)
roles = st.sampled_from(["system", "user", "assistant", "tool"])
chats = st.lists(st.builds(ChatMessage, roles, texts), min_size=1, max_size=3).map(
    lambda messages: Chat(tuple(messages))
)


@st.composite
def groups(draw):
    count = draw(st.integers(1, 3))
    drawn = []
    for index in range(count):
        responses = tuple(
            Response(
                f"{index}-{place}",
                draw(texts | token_ids),
                draw(st.none() | references),
                draw(numbers),
            )
            for place in range(draw(st.integers(1, 3)))
        )
        drawn.append(
            Group(
                f"group {index}",
                draw(texts | chats | token_ids),
                responses,
                draw(st.none() | references),
                draw(texts),
                draw(st.just(0) | st.integers(len(responses), 100)),
            )
        )
    return drawn


verdicts = st.builds(
    Verdict,
    st.sampled_from(Outcome),
    texts,
    texts,
    st.none() | texts,
    st.none() | texts,
    texts,
    texts,
    st.lists(
        st.builds(
            TestOutcome,
            texts,
            st.sampled_from(TestStatus),
            st.floats(0, 1e6),
            st.integers(0, 2**62),
            texts,
        ),
        max_size=2,
    ).map(tuple),
)
confidences = st.builds(Confidence, probabilities, probabilities, probabilities, texts)
timings = st.builds(Timing, st.floats(0, 1e6), st.floats(0, 1e6))
noises = st.builds(Noise, probabilities, probabilities, maybe, maybe, texts)
members = st.lists(st.builds(MemberScore, texts, maybe, maybe, texts), max_size=2).map(tuple)
steps = st.lists(
    st.builds(
        Step,
        st.integers(0, 2**31),
        st.integers(0, 2**31),
        maybe,
        st.none() | st.sampled_from(Outcome),
        texts,
        maybe,
    ),
    max_size=2,
).map(tuple)
criteria = st.builds(
    CriterionVerdict, texts, st.sampled_from(Outcome), maybe, finite, st.booleans(), texts
)
counts = st.integers(0, 2**31)
evidence = st.builds(
    Evidence,
    numbers,
    st.lists(criteria, max_size=2).map(tuple),
    st.lists(st.builds(Vote, maybe, texts, texts), max_size=2).map(tuple),
    st.none() | st.builds(Usage, counts, counts, counts, counts, counts),
    st.lists(texts, max_size=2).map(tuple),
)
shaping = st.lists(st.builds(ShapingTerm, texts, maybe, maybe, numbers, texts), max_size=2).map(
    tuple
)
results = st.builds(
    Result,
    names,
    st.sampled_from(Status),
    texts,
    maybe,
    maybe,
    st.none() | confidences,
    st.none() | verdicts,
    members,
    maybe,
    steps,
    st.lists(
        st.builds(
            Component,
            texts,
            st.sampled_from(Status),
            texts,
            maybe,
            maybe,
            finite,
            st.none() | confidences,
            timings,
            st.none() | verdicts,
            members,
            maybe,
            steps,
            st.none() | evidence,
            shaping,
            st.none() | noises,
        ),
        max_size=2,
    ).map(tuple),
    st.none() | noises,
    st.booleans(),
    st.just({"reward": "r-1"}),
    timings,
    st.none() | evidence,
    shaping,
)


@given(groups())
def test_groups_survive_the_wire(sent):
    message = reward_service_pb2.ScoreRequest(groups=groups_to_messages(sent))
    received = reward_service_pb2.ScoreRequest.FromString(message.SerializeToString())
    assert groups_from_message(received) == sent


@given(st.lists(results, max_size=3))
def test_results_survive_the_wire(sent):
    message = result_pb2.GroupResult()
    fill_results(message, sent)
    received = result_pb2.GroupResult.FromString(message.SerializeToString())
    assert [result_from_message(r, {"reward": "r-1"}) for r in received.results] == sent


def test_what_is_no_number_among_the_callers_values_is_refused_by_path():
    group = sample_pb2.Group(prompt=sample_pb2.Prompt(text="p"))
    group.responses.add(text="r", values={"log_ratio": math.nan})
    with pytest.raises(InvalidRequest, match=r"responses\[0\].values\['log_ratio'\]"):
        groups_from_message(reward_service_pb2.ScoreRequest(groups=[group]))


def test_a_group_larger_than_it_says_is_refused():
    group = sample_pb2.Group(prompt=sample_pb2.Prompt(text="p"), size=1)
    group.responses.add(text="r")
    group.responses.add(text="s")
    with pytest.raises(InvalidRequest, match=r"size: is 1, but the group holds 2"):
        groups_from_message(reward_service_pb2.ScoreRequest(groups=[group]))


@given(st.builds(ScoreOptions, texts, numbers, st.sampled_from(Detail), texts))
def test_options_survive_the_wire(sent):
    request = reward_service_pb2.ScoreRequest(options=options_to_message(sent))
    assert options_from_message(request) == sent


def test_every_detail_has_a_number():
    for detail in Detail:
        request = reward_service_pb2.ScoreRequest(
            options=options_to_message(ScoreOptions(detail=detail))
        )
        assert options_from_message(request).detail is detail


def test_an_unknown_detail_is_refused():
    request = reward_service_pb2.ScoreRequest()
    request.options.detail = 99
    with pytest.raises(InvalidRequest, match=r"options\.detail: is 99"):
        options_from_message(request)


def test_a_description_survives_the_wire():
    sent = RewardDescription(
        "r",
        "about",
        "v1",
        (
            ScorerDescription(
                "s", "ensemble", "v2", 0.5, ("a", "b"), "mean", "isotonic", {"device": "cpu"}
            ),
        ),
        -1.0,
        None,
        "scale",
        True,
        True,
        Noise(0.1, 0.2, version="n"),
        True,
        ("conciseness",),
        True,
        (
            Monitor("score_drift", 0.3, 100, 0.2, True, "s", "rising"),
            Monitor("disagreement_trend", None),
        ),
        ("few labels",),
    )
    assert reward_from_message(reward_message(sent)) == sent


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest(FieldViolation("a.b", "is 3"), FieldViolation("c", "is missing")),
        UnknownReward("reward: 'x'"),
        QueueFull("full", 1.5),
        DeadlineUnreachable("late", 0.25),
        Overloaded("busy", 3.0),
        MessageTooLarge("big"),
        Unavailable("gone", 0.5),
        InternalError("defect"),
    ],
)
def test_errors_survive_the_wire(error):
    received = error_of(status_of(error, "request-1"))
    assert type(received) is type(error)
    assert received.message == error.message
    assert received.code == error.code
    assert received.request_id == "request-1"
    assert getattr(received, "violations", ()) == getattr(error, "violations", ())
    assert getattr(received, "retry_after_seconds", 0) == getattr(error, "retry_after_seconds", 0)


def test_a_status_without_our_details_becomes_the_nearest_error():
    status = status_of(RewardServiceError("who are you"))
    status.code = 16
    del status.details[:]
    received = error_of(status)
    assert received.code == "UNAUTHENTICATED"
    assert "who are you" in str(received)


def test_text_that_is_no_unicode_is_refused_with_its_place():
    sent = [Group("g", "p", (Response("s", "\ud800"),))]
    with pytest.raises(InvalidRequest, match=r"groups\[0\].*not valid Unicode"):
        groups_to_messages(sent)


@pytest.mark.parametrize("weight", [math.nan, math.inf, -1.0])
def test_a_weight_that_is_none_is_refused(weight):
    sent = [Group("g", "p", (Response("s", "t"),), Reference(rubric=(Criterion("c", "", weight),)))]
    request = reward_service_pb2.ScoreRequest(groups=groups_to_messages(sent))
    with pytest.raises(InvalidRequest, match=r"groups\[0\]\.reference\.rubric\[0\]\.weight"):
        groups_from_message(request)
