"""The kinds of scorers: one line each. Modules are loaded only when a configuration uses them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from pydantic import BaseModel

from rewardsvc.scorers.scorer import Scorer

KINDS = {
    "code": "rewardsvc.scorers.code:CodeScorer",
    "constant": "rewardsvc.scorers.constant:ConstantScorer",
    "critic": "rewardsvc.scorers.critic:CriticScorer",
    "ensemble": "rewardsvc.scorers.ensemble:EnsembleScorer",
    "format": "rewardsvc.scorers.format:FormatScorer",
    "hidden_state": "rewardsvc.scorers.hidden_state:HiddenStateScorer",
    "implicit": "rewardsvc.scorers.implicit:ImplicitScorer",
    "judge": "rewardsvc.scorers.judge:AbsoluteJudge",
    "likelihood": "rewardsvc.scorers.likelihood:LikelihoodScorer",
    "math": "rewardsvc.scorers.math:MathScorer",
    "reference_judge": "rewardsvc.scorers.judge_reference:ReferenceJudge",
    "rubric_judge": "rewardsvc.scorers.judge_rubric:RubricJudge",
    "vllm_reward": "rewardsvc.scorers.vllm_reward:VllmRewardScorer",
    "pairwise_judge": "rewardsvc.scorers.judge_pairwise:PairwiseJudge",
    "process": "rewardsvc.scorers.process:ProcessScorer",
}


class ScorerKind(Protocol):
    """A scorer class: its configuration's type, and how to make one."""

    config_type: ClassVar[type[BaseModel]]

    def __call__(self, name: str, config: Any, base_path: Path) -> Scorer:
        """Makes a scorer; relative paths in `config` start at `base_path`.

        Checks everything that can be checked cheaply, raising ConfigError or ValueError;
        loading models is for `start`.
        """


def load_kind(kind: str) -> ScorerKind:
    """The class of a kind; KeyError for an unknown one, ImportError where an extra is missing."""
    module, _, attribute = KINDS[kind].partition(":")
    return cast(ScorerKind, getattr(import_module(module), attribute))
