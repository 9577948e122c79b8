"""Samples to parcels and back: nothing lost, nothing doubled, nothing mixed up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc import Chat, ChatMessage, InternalError, InvalidRequest, Reference, Sample, Status
from rewardsvc.client import parcels
from rewardsvc.client.parcels import (
    Parcel,
    bundles_of,
    messages_of,
    naming_samples,
    packed,
    results_of,
)
from rewardsvc.client.samples import samples_of
from rewardsvc.types import Confidence, Result, TokenIds
from rewardsvc.v1 import result_pb2
from rewardsvc.v1 import reward_service_pb2 as pb
from rewardsvc.wire.results import fill_results
from rewardsvc.wire.samples import groups_from_message

references = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.builds(Reference, st.lists(st.text(max_size=3), max_size=2).map(tuple)),
)
samples = st.lists(
    st.builds(
        Sample,
        prompt=st.one_of(
            st.sampled_from(["p", "q", ""]),
            st.just(Chat((ChatMessage("user", "hi"),))),
            st.just(TokenIds(b"\x01\x00\x00\x00", "hash")),
        ),
        response=st.text(max_size=20),
        reference=references,
        domain=st.sampled_from(["", "algebra"]),
    ),
    max_size=200,
)


@given(samples)
def test_every_sample_arrives_once_as_it_was(values):
    checked = samples_of(values)
    arrived = {}
    for parcel in packed(bundles_of(checked)):
        request = pb.ScoreRequest(groups=messages_of(parcel))
        for bundle, group in zip(parcel.bundles, groups_from_message(request), strict=True):
            for position, response in zip(bundle.positions, group.responses, strict=True):
                assert position not in arrived
                arrived[position] = Sample(
                    group.prompt,
                    response.text,
                    group.reference_of(response),
                    response.sample_id,
                    group.domain,
                )
    assert [arrived[position] for position in range(len(checked))] == checked


@given(samples)
def test_parcels_stay_near_a_messages_size(values):
    for parcel in packed(bundles_of(samples_of(values))):
        assert parcel.samples <= parcels.SAMPLES_PER_MESSAGE or len(parcel.bundles) == 1
        assert sum(m.ByteSize() for m in messages_of(parcel)) <= parcel.size


@given(samples)
def test_a_parcel_taken_apart_holds_the_same(values):
    for parcel in packed(bundles_of(samples_of(values))):
        singles = list(parcel.singly())
        assert all(single.samples == 1 for single in singles)
        assert [s.bundles[0].positions[0] for s in singles] == [
            position for bundle in parcel.bundles for position in bundle.positions
        ]


def merged(*ids):
    """A parcel of several callers' samples with these ids."""
    return Parcel(tuple(bundles_of([Sample("p", "r", sample_id=i)])[0] for i in ids))


def test_clashing_ids_are_made_unique_and_mapped_back():
    parcel = merged("a", "a", "b", "a~1.0", "")
    sent = [m.responses[0].sample_id for m in messages_of(parcel)]
    assert len(set(sent)) == 5
    assert sent[0] == "a" and sent[2] == "b"
    results = results_of(parcel, answered([Result(i, Status.OK, reward=1.0)] for i in sent), {})
    assert [r.sample_id for r in results] == ["a", "a", "b", "a~1.0", ""]


def answered(groups):
    messages = []
    for results in groups:
        message = result_pb2.GroupResult()
        fill_results(message, results)
        messages.append(message)
    return messages


def test_missing_results_are_an_error_not_a_guess():
    with pytest.raises(InternalError, match=r"\[1\] results for groups of \[1, 1\] responses"):
        results_of(merged("a", "b"), answered([[Result("a", Status.OK, reward=1.0)]]), {})


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Result("a", Status.OK, reward=math.nan), "reward nan"),
        (Result("a", Status.OK, reward=1.0, score=math.inf), "score inf"),
        (
            Result("a", Status.OK, reward=1.0, confidence=Confidence(math.nan, 0, 1, "isotonic")),
            "confidence nan",
        ),
        (Result("a", Status.OK), "status ok without a reward"),
        (Result("a", Status.TIMEOUT, reward=0.0), "a reward with status timeout"),
    ],
)
def test_an_impossible_result_becomes_an_error_without_a_reward(result, reason):
    (checked,) = results_of(merged("a"), answered([[result]]), {"reward": "1"})
    assert checked.status is Status.ERROR and checked.reward is None
    assert reason in checked.reason


def test_field_paths_are_given_the_callers_ids():
    parcel = merged("first", "second")
    error = InvalidRequest.field("groups[1].responses[0].text", "is bad")
    assert str(naming_samples(error, parcel)) == (
        "groups[1].responses[0].text: is bad (sample 'second')"
    )
    error = InvalidRequest.field("groups[1].prompt", "is bad")
    assert "(sample 'second' and others of its prompt)" in str(naming_samples(error, parcel))
    for path in ("options.tenant", "groups[9].prompt", "groups[x].prompt", "groups[].x", "groups"):
        error = InvalidRequest.field(path, "is bad")
        assert str(naming_samples(error, parcel)) == f"{path}: is bad"
