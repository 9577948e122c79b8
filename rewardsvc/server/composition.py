"""From the sections of a configuration to scorers behind batchers, and rewards on top of them.

Part of the composition root: nothing but `app` imports it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Protocol, runtime_checkable

import structlog

from rewardsvc.assembly import (
    CalibratorSource,
    Part,
    Recipe,
    SameEverywhere,
    VerifierNoise,
    given_rates,
)
from rewardsvc.batching.batcher import Batcher
from rewardsvc.calibration import fit_file
from rewardsvc.calibration.verifier_rates import RateInterval
from rewardsvc.config import ComponentConfig, Config, RewardConfig
from rewardsvc.errors import ConfigError, RewardServiceError
from rewardsvc.judging.canaries import CanaryCounts, false_positive_rate
from rewardsvc.labels.audits import Auditor, judge_by
from rewardsvc.labels.sampling import AuditPlan
from rewardsvc.labels.sources import StoredCalibrators
from rewardsvc.monitoring import RewardWatcher
from rewardsvc.monitoring.references import calibration_references
from rewardsvc.pipeline import RewardPipeline, ScorerSlot, Watcher
from rewardsvc.scorers.scorer import Scorer
from rewardsvc.server.learning import Learning
from rewardsvc.store.noise import ScorerKey
from rewardsvc.telemetry.metrics import Metrics

__all__ = ["compose_pipelines", "compose_slots"]

log = structlog.stdlib.get_logger("rewardsvc.server")


@runtime_checkable
class Probed(Protocol):
    """A judge that is asked about canaries while it serves."""

    @property
    def canaries(self) -> CanaryCounts:
        """Probes so far."""


def compose_slots(config: Config, metrics: Metrics) -> dict[str, ScorerSlot]:
    """A batcher and a scorer, not started, for every scorer that a reward uses.

    Raises:
        ConfigError: a scorer's own check failed; names it.
    """
    slots = {}
    used = _scorers_used(config)
    for name, spec in config.scorers.items():
        if name not in used:
            log.warning("scorer is used by no reward and is not loaded", scorer=name)
            continue
        try:
            scorer = spec.kind(name, spec.config, config.base_path)
        except (ValueError, OSError, RewardServiceError) as error:
            raise ConfigError(f"{config.source}: scorers.{name}: {error}") from error
        batcher = Batcher(
            name,
            scorer.score,
            scorer.weigh,
            scorer.limits,
            observer=metrics,
            weights=config.server.tenant_shares,
            clock=time.monotonic,
        )
        metrics.watch_queue(name, partial(getattr, batcher, "queue_depth"))
        slots[name] = ScorerSlot(scorer, batcher)
    return slots


def compose_pipelines(
    config: Config, slots: Mapping[str, ScorerSlot], learning: Learning | None
) -> dict[str, RewardPipeline]:
    """Every configured reward.

    Raises:
        ConfigError: labels that do not support the calibration they are for.
    """
    return {
        name: _pipeline(name, reward, config, slots, learning)
        for name, reward in config.rewards.items()
    }


def _scorers_used(config: Config) -> set[str]:
    used = set()
    for reward in config.rewards.values():
        for component in reward.components:
            used.add(component.scorer)
            if component.noise is not None and component.noise.audit is not None:
                used.add(component.noise.audit.judge)
    return used


def _pipeline(
    name: str,
    reward: RewardConfig,
    config: Config,
    slots: Mapping[str, ScorerSlot],
    learning: Learning | None,
) -> RewardPipeline:
    parts = tuple(
        Part(
            component.scorer,
            component.weight,
            _calibrators(name, component, config, learning),
            _noise(name, component, slots[component.scorer].scorer, learning),
            component.shaping,
        )
        for component in reward.components
    )
    recipe = Recipe(
        parts,
        reward.combination,
        reward.confidence,
        reward.confidence_rule,
        reward.abstain_below,
        reward.shaping,
        reward.stated_confidence,
    )
    watcher = None
    if reward.monitoring is not None:
        watcher = RewardWatcher(reward.monitoring, partial(calibration_references, recipe))
    watchers: list[Watcher] = [] if watcher is None else [watcher]
    if learning is not None:
        for component in reward.components:
            auditor = _auditor(name, component, slots, learning, watcher)
            if auditor is not None:
                watchers.append(auditor)
                learning.auditors.append(auditor)
    return RewardPipeline(
        name,
        reward.description,
        recipe,
        [slots[component.scorer] for component in reward.components],
        watchers,
    )


def _calibrators(
    reward: str, component: ComponentConfig, config: Config, learning: Learning | None
) -> CalibratorSource | None:
    settings = component.calibration
    if settings is None:
        return None
    if settings.labels is None:
        if learning is None:
            raise ConfigError(f"{config.source}: rewards.{reward}: needs server.store")
        return StoredCalibrators(learning.book, reward, component.scorer)
    try:
        return SameEverywhere(fit_file(config.base_path / settings.labels, settings.method))
    except (ValueError, OSError, RewardServiceError) as error:
        raise ConfigError(
            f"{config.source}: rewards.{reward}: calibration of {component.scorer}: {error}"
        ) from error


def _noise(
    reward: str, component: ComponentConfig, scorer: Scorer, learning: Learning | None
) -> VerifierNoise | None:
    settings = component.noise
    if settings is None:
        return None

    canaries = partial(_canaries, scorer) if isinstance(scorer, Probed) else _no_canaries
    if settings.is_fixed:
        given = given_rates(
            component.scorer,
            settings.false_positive_rate or 0.0,
            settings.false_negative_rate or 0.0,
        )
        return VerifierNoise(lambda: given, settings.mode, settings.prior, canaries)
    if learning is None:
        raise ConfigError(f"rewards.{reward}: noise of {component.scorer} needs server.store")
    find = partial(learning.book.noise, reward, component.scorer)
    return VerifierNoise(find, settings.mode, settings.prior, canaries)


def _canaries(judge: Probed) -> RateInterval | None:
    return false_positive_rate(judge.canaries)


def _no_canaries() -> RateInterval | None:
    return None


def _auditor(
    reward: str,
    component: ComponentConfig,
    slots: Mapping[str, ScorerSlot],
    learning: Learning,
    watcher: RewardWatcher | None,
) -> Auditor | None:
    audit = None if component.noise is None else component.noise.audit
    if audit is None:
        return None
    return Auditor(
        AuditPlan(reward, component.scorer, audit.judge, audit.negatives, audit.positives),
        learning.database,
        judge_by(slots[audit.judge].batcher),
        partial(learning.ledger.noise.from_audits, ScorerKey(reward, component.scorer)),
        on_audit=(lambda score, truth: None) if watcher is None else watcher.observe_audit,
    )
