"""Trainers send results and errors between processes: both survive it whole."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from rewardsvc import (
    DeadlineUnreachable,
    InternalError,
    InvalidRequest,
    MessageTooLarge,
    QueueFull,
    Result,
    RewardDescription,
    Sample,
    Status,
    Unavailable,
)
from rewardsvc.types import ScorerDescription


@pytest.mark.parametrize("travel", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize(
    "error",
    [
        QueueFull("full", 1.5),
        DeadlineUnreachable("late", 2.5),
        Unavailable("gone", 0.5),
        InvalidRequest.field("groups[0]", "is bad"),
        MessageTooLarge("large"),
        InternalError("defect"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_arrive_whole(error, travel):
    arrived = travel(error)
    assert type(arrived) is type(error)
    assert (str(arrived), arrived.__dict__) == (str(error), error.__dict__)


@pytest.mark.parametrize(
    "value",
    [
        Sample("p", "r", "1"),
        Result("a", Status.OK, reward=1.0),
        RewardDescription("r", "", "1", (ScorerDescription("s", "math", "1"),)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_arrives_whole(value):
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value
    assert dataclasses.asdict(value)
