"""The kinds of shaping by name: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rewardsvc.shaping.calibrated_reward import CalibratedReward
from rewardsvc.shaping.clip_delta import ClipDelta
from rewardsvc.shaping.conciseness import Conciseness
from rewardsvc.shaping.confidence_weighting import ConfidenceWeighting
from rewardsvc.shaping.constraints import Constraints
from rewardsvc.shaping.decoupled import DecoupledNormalisation
from rewardsvc.shaping.exploration import Exploration
from rewardsvc.shaping.length_penalty import LengthPenalty
from rewardsvc.shaping.log_sigmoid import LogSigmoid
from rewardsvc.shaping.policy_filtration import PolicyFiltration
from rewardsvc.shaping.process_outcome import ProcessOutcome
from rewardsvc.shaping.proper_score import ProperScore
from rewardsvc.shaping.repetition_penalty import RepetitionPenalty
from rewardsvc.shaping.shaper import Shaper
from rewardsvc.shaping.trust import TrustWeightedProcess
from rewardsvc.shaping.virtual_maximum import VirtualMaximum

__all__ = ["SHAPERS"]

SHAPERS: Mapping[str, type[Shaper]] = MappingProxyType(
    {
        "calibrated_reward": CalibratedReward,
        "clip_delta": ClipDelta,
        "conciseness": Conciseness,
        "confidence_weighting": ConfidenceWeighting,
        "constraints": Constraints,
        "decoupled_normalisation": DecoupledNormalisation,
        "exploration": Exploration,
        "length_penalty": LengthPenalty,
        "log_sigmoid": LogSigmoid,
        "policy_filtration": PolicyFiltration,
        "process_outcome": ProcessOutcome,
        "proper_score": ProperScore,
        "repetition_penalty": RepetitionPenalty,
        "trust_weighted_process": TrustWeightedProcess,
        "virtual_maximum": VirtualMaximum,
    }
)
