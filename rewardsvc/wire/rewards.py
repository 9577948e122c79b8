"""Descriptions of rewards: domain types to messages on the server, and back on the client."""

from __future__ import annotations

from rewardsvc.types import Monitor, RewardDescription, ScorerDescription
from rewardsvc.v1 import reward_service_pb2
from rewardsvc.wire.results import noise_from_message, noise_message


def reward_message(reward: RewardDescription) -> reward_service_pb2.Reward:
    """The message of a reward's description."""
    return reward_service_pb2.Reward(
        name=reward.name,
        description=reward.description,
        version=reward.version,
        scorers=[
            reward_service_pb2.Scorer(
                name=scorer.name,
                kind=scorer.kind,
                version=scorer.version,
                weight=scorer.weight,
                members=scorer.members,
                objective=scorer.objective,
                calibration=scorer.calibration,
                properties=scorer.properties,
            )
            for scorer in reward.scorers
        ],
        minimum=reward.minimum,
        maximum=reward.maximum,
        scale_id=reward.scale_id,
        calibrated=reward.calibrated,
        needs_reference=reward.needs_reference,
        noise=None if reward.noise is None else noise_message(reward.noise),
        do_not_group_normalise=reward.do_not_group_normalise,
        shaping=reward.shaping,
        needs_whole_groups=reward.needs_whole_groups,
        monitors=[
            reward_service_pb2.Monitor(
                scorer=monitor.scorer,
                name=monitor.name,
                value=monitor.value,
                threshold=monitor.threshold,
                alarm=monitor.alarm,
                samples=monitor.samples,
                note=monitor.note,
            )
            for monitor in reward.monitors
        ],
        warnings=reward.warnings,
    )


def reward_from_message(message: reward_service_pb2.Reward) -> RewardDescription:
    """A reward's description."""
    return RewardDescription(
        name=message.name,
        description=message.description,
        version=message.version,
        scorers=tuple(
            ScorerDescription(
                scorer.name,
                scorer.kind,
                scorer.version,
                scorer.weight,
                tuple(scorer.members),
                scorer.objective,
                scorer.calibration,
                dict(scorer.properties),
            )
            for scorer in message.scorers
        ),
        minimum=message.minimum if message.HasField("minimum") else None,
        maximum=message.maximum if message.HasField("maximum") else None,
        scale_id=message.scale_id,
        calibrated=message.calibrated,
        needs_reference=message.needs_reference,
        noise=noise_from_message(message.noise) if message.HasField("noise") else None,
        do_not_group_normalise=message.do_not_group_normalise,
        shaping=tuple(message.shaping),
        needs_whole_groups=message.needs_whole_groups,
        monitors=tuple(
            Monitor(
                monitor.name,
                monitor.value if monitor.HasField("value") else None,
                monitor.samples,
                monitor.threshold if monitor.HasField("threshold") else None,
                monitor.alarm,
                monitor.scorer,
                monitor.note,
            )
            for monitor in message.monitors
        ),
        warnings=tuple(message.warnings),
    )
