"""Whether to take new work on: bounded, and never work that would end after its deadline.

Pure. A request that is refused at once costs its caller a retry; one that is taken on and
then expires costs the engine's time as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rewardsvc.batching.latency import LatencyModel
from rewardsvc.errors import DeadlineUnreachable, InvalidRequest, QueueFull
from rewardsvc.scorers.scorer import BatchLimits

LEAST_RETRY_SECONDS, MOST_RETRY_SECONDS = 0.05, 60.0
UNKNOWN_RETRY_SECONDS = 1.0
"""What a caller is told while the engine's speed is not known yet."""


def check_size(name: str, limits: BatchLimits, tokens: int, samples: int) -> None:
    """Raises InvalidRequest for what is larger than the whole queue: no retry would help."""
    if samples > limits.max_queue_samples or tokens > limits.max_queue_tokens:
        raise InvalidRequest.field(
            "groups",
            f"{_amount(tokens, samples)} are more than the queue of scorer "
            f"{name!r} ever holds ({limits.max_queue_samples} responses, "
            f"{limits.max_queue_tokens} tokens); send smaller requests or use ScoreStream",
        )


def check_room(
    name: str,
    limits: BatchLimits,
    model: LatencyModel,
    queued: tuple[int, int],
    wanted: tuple[int, int],
) -> None:
    """Raises QueueFull when `wanted` (tokens, samples) does not fit beside `queued`."""
    tokens = queued[0] + wanted[0] - limits.max_queue_tokens
    samples = queued[1] + wanted[1] - limits.max_queue_samples
    if tokens <= 0 and samples <= 0:
        return
    usual = queued[0] / max(queued[1], 1)
    retry = work_seconds(model, limits, max(tokens, samples * usual), max(samples, 0))
    what = (
        f"{queued[1]} of {limits.max_queue_samples} responses"
        if samples > 0
        else f"{queued[0]} of {limits.max_queue_tokens} tokens"
    )
    raise QueueFull(
        f"the queue of scorer {name!r} is full: {what} are waiting, "
        f"and {_amount(*wanted)} were to be added",
        _retry_after(retry, known=model.ready),
    )


def check_deadline(name: str, predicted: float, allowed: float, backlog: float) -> None:
    """Raises DeadlineUnreachable when `predicted` seconds are more than those `allowed`.

    `backlog` is in how many seconds everything else will be done: no later retry is better.
    """
    if predicted > allowed:
        raise DeadlineUnreachable(
            f"scorer {name!r} would be done in about {predicted:.3f} s, "
            f"the deadline is in {allowed:.3f} s",
            _retry_after(min(predicted - allowed, backlog), known=True),
        )


def work_seconds(model: LatencyModel, limits: BatchLimits, tokens: float, samples: float) -> float:
    """Predicted seconds to work through a backlog in full batches."""
    batches = _batches(limits, tokens, samples)
    fixed, per_token = model.coefficients()
    return (fixed * batches + per_token * tokens) / limits.batches_in_flight


def finish_seconds(
    model: LatencyModel,
    limits: BatchLimits,
    tokens: float,
    samples: float,
    running: float,
    *,
    shared: bool,
) -> float:
    """Predicted seconds until the last of a backlog is done, behind `running` seconds.

    In whole batches: what is in the last one is done when all of it is, and others fill it
    up. When the scorer is `shared` between tenants, what arrives later may go first within a
    round of turns: that is one batch more.
    """
    batches = _batches(limits, tokens, samples)
    if batches <= 1:
        return running + model.seconds(tokens)
    rounds = math.ceil((batches + shared) / limits.batches_in_flight)
    return running + rounds * model.seconds(tokens / batches)


def running_seconds(
    model: LatencyModel, limits: BatchLimits, running: Iterable[tuple[int, float]]
) -> float:
    """Predicted seconds until running batches, given as (tokens, seconds so far), are done."""
    left = sum(max(0.0, model.seconds(tokens) - elapsed) for tokens, elapsed in running)
    return left / limits.batches_in_flight


def _batches(limits: BatchLimits, tokens: float, samples: float) -> float:
    return max(tokens / limits.max_batch_tokens, samples / limits.max_batch_samples)


def _amount(tokens: int, samples: int) -> str:
    return f"{samples} responses with about {tokens} tokens" if tokens else f"{samples} responses"


def _retry_after(seconds: float, *, known: bool) -> float:
    if not known:
        return UNKNOWN_RETRY_SECONDS
    return min(max(seconds, LEAST_RETRY_SECONDS), MOST_RETRY_SECONDS)
