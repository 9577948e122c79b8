"""What can be wrong with a reward that its sections alone cannot tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewardsvc.aggregate.combination import COMBINATIONS
from rewardsvc.calibration import METHODS
from rewardsvc.calibration.combined import CONFIDENCE_RULES
from rewardsvc.config.messages import suggestion
from rewardsvc.config.sections import ComponentConfig, RewardConfig

__all__ = ["reward_faults"]

_NEED_STATED_CONFIDENCE = ("calibrated_reward", "proper_score")


def reward_faults(
    name: str,
    reward: RewardConfig,
    scorers: Mapping[str, Any],
    source: str,
    base_path: Path,
    *,
    has_store: bool,
) -> list[str]:
    """Every fault of one reward, in words."""
    faults: list[str] = []
    path = f"{source}: rewards.{name}"

    def choice(key: str, value: str, allowed: Sequence[str]) -> None:
        if value not in allowed:
            faults.append(
                f"{path}.{key}: is {value!r}; allowed: {', '.join(sorted(allowed))}"
                + suggestion(value, allowed)
            )

    choice("combination", reward.combination, list(COMBINATIONS))
    names = [component.scorer for component in reward.components]
    if reward.confidence is not None:
        choice("confidence", reward.confidence, names)
    if reward.confidence_rule is not None:
        choice("confidence_rule", reward.confidence_rule, list(CONFIDENCE_RULES))
        if reward.confidence is not None:
            faults.append(f"{path}: give confidence or confidence_rule, not both")
    for index, component in enumerate(reward.components):
        key = f"components[{index}]"
        choice(f"{key}.scorer", component.scorer, list(scorers))
        if names.index(component.scorer) != index:
            faults.append(f"{path}.{key}.scorer: {component.scorer!r} is named twice")
        if component.noise is not None and component.noise.audit is not None:
            choice(f"{key}.noise.audit.judge", component.noise.audit.judge, list(scorers))
        if component.calibration is not None:
            choice(f"{key}.calibration.method", component.calibration.method, list(METHODS))
        faults += [f"{path}.{key}.{fault}" for fault in _missing(component, base_path, has_store)]
    steps = [("shaping", reward.shaping, names)] + [
        (f"components[{index}].shaping", component.shaping, [component.scorer])
        for index, component in enumerate(reward.components)
    ]
    for key, shaping, known in steps:
        for place, shaper in enumerate(shaping):
            for component_name in shaper.components:
                choice(f"{key}[{place}]", component_name, known)
            kind = str(getattr(shaper, "kind", ""))
            if kind in _NEED_STATED_CONFIDENCE and (
                reward.stated_confidence is None or key != "shaping"
            ):
                faults.append(
                    f"{path}.{key}[{place}]: {kind} belongs to the reward's own shaping and "
                    "needs stated_confidence, which says how responses state theirs"
                )
    return faults


def _missing(component: ComponentConfig, base_path: Path, has_store: bool) -> list[str]:
    """Files and stores that a component needs and that are not there."""
    faults = []
    calibration, noise = component.calibration, component.noise
    needs_store = "needs server.store, where LabelService keeps labels and what is fitted on them"
    if calibration is not None:
        if calibration.labels is None and not has_store:
            faults.append(f"calibration: without labels it {needs_store}")
        elif calibration.labels is not None and not (base_path / calibration.labels).is_file():
            faults.append(f"calibration.labels: no file at {base_path / calibration.labels}")
    if noise is not None and not has_store:
        if not noise.is_fixed:
            faults.append(f"noise: without given rates it {needs_store}")
        elif noise.audit is not None:
            faults.append(f"noise.audit: {needs_store}")
    return faults
