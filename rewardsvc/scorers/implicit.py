"""Process rewards implied by a policy and its reference: beta times the log-ratio, by step.

A model trained with r(y) = beta log(policy(y) / reference(y)) is a process reward model without
step labels (Yuan et al., arXiv 2412.01981; PRIME, arXiv 2502.01456): with

    q_t = beta sum_{i <= t} log(policy(y_i | y_<i) / reference(y_i | y_<i))

a step's reward is q at its last token minus q at the last token of the step before. The
prompt's tokens do not count. Steps are those of `rewardsvc.critique.steps`; a token belongs to
the step in which it begins, and blank space between steps to the step before, so that the
steps' rewards sum to q of the whole response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, field_validator

from rewardsvc.critique.steps import split_steps
from rewardsvc.engines.model_files import check_model_directory, model_hash
from rewardsvc.scorers.model_requests import as_messages
from rewardsvc.scorers.model_settings import ModelSettings, start_and_hash
from rewardsvc.scorers.scorer import weigh_by_characters
from rewardsvc.scorers.token_scores import ENGINE, Context, Part, TokenScores, ask
from rewardsvc.types import Group, Score, ScorerDescription, Status, Step, TokenIds
from rewardsvc.versions import version_of

__all__ = ["ImplicitConfig", "ImplicitScorer", "implicit_steps"]

_AGGREGATIONS: Mapping[str, Callable[[NDArray[np.float64], int], float]] = MappingProxyType(
    {
        "sum": lambda rewards, tokens: float(rewards.sum()),
        "min": lambda rewards, tokens: float(rewards.min()),
        "mean_per_token": lambda rewards, tokens: float(rewards.sum()) / tokens,
    }
)
"""From the steps' rewards, (steps,), and the response's tokens to one score."""


class ImplicitConfig(ModelSettings):
    """Configuration of an implicit process reward model; relative paths start at the file's
    folder."""

    kind: Literal["implicit"] = "implicit"
    policy: str = Field(
        min_length=1, description="Model folder: a causal language model trained as the reward."
    )
    reference: str = Field(
        min_length=1, description="Model folder: what the policy was trained from."
    )
    beta: float = Field(
        0.05,
        gt=0,
        allow_inf_nan=False,
        description="The beta of the policy's training, with which q is in its unit (log-odds "
        "for a model trained with cross-entropy).",
    )
    aggregation: str = Field(
        "sum",
        description=f"What the score is: one of {', '.join(_AGGREGATIONS)} of the steps' rewards.",
    )
    most_steps: int = Field(
        256, ge=1, le=4096, description="Steps of a response; neighbours are joined beyond it."
    )
    truncation: Literal["prompt_left", "reject"] = Field(
        "prompt_left",
        description="What happens to longer inputs: prompt_left drops the prompt's first "
        "tokens (status truncated), reject scores none of it (status error).",
    )

    @field_validator("aggregation")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _AGGREGATIONS:
            raise ValueError(f"must be one of {', '.join(_AGGREGATIONS)}")
        return value


class ImplicitScorer:
    """Scores responses by the log-ratio of two language models.

    `value` is the aggregation over the steps' rewards, unbounded, higher is better; a sum
    grows with the response's length. A step's `score` is q at its end, its `reward` what the
    step added.
    """

    config_type: ClassVar[type[BaseModel]] = ImplicitConfig
    needs_reference = False
    range: tuple[float | None, float | None] = (None, None)

    def __init__(self, name: str, config: ImplicitConfig, base_path: Path) -> None:
        """Checks that the models are there; ConfigError names what is missing."""
        self.name = name
        self.limits = config.limits
        self._config = config
        self._directories = [base_path / config.policy, base_path / config.reference]
        for directory in self._directories:
            check_model_directory(directory)
        self._hashes: list[str] | None = None
        self._facts: dict[str, str] = {}
        self._engine = config.process(
            name,
            ENGINE,
            {"models": [str(d) for d in self._directories], "truncation": config.truncation},
        )

    def describe(self) -> ScorerDescription:
        """Version of models and settings; before `start` has read the weights it says so."""
        config = self._config
        version = "implicit-not-loaded"
        if self._hashes is not None:
            version = version_of(
                "implicit-1",
                f"{config.beta!r} {config.aggregation} {config.most_steps} {config.truncation}",
                config.deciding,
                *self._hashes,
            )
        properties = {
            "beta": f"{config.beta:g}",
            "aggregation": config.aggregation,
            "comparable": "within a prompt",
            "deterministic": str(config.deterministic).lower(),
            **self._facts,
        }
        return ScorerDescription(self.name, "implicit", version, properties=properties)

    def weigh(self, group: Group) -> list[int]:
        """By characters: the batches need an estimate only."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Starts the engine process; ConfigError or EngineDown where it cannot."""
        self._facts, *self._hashes = await start_and_hash(
            self._engine, [partial(model_hash, directory) for directory in self._directories]
        )

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Scores one batch; raises as an EngineProcess does."""
        asked = [_texts(group) for group in groups]
        contexts = [
            Context(as_messages(group.prompt), tuple((Part(text),) for text in texts.values()))
            for group, texts in zip(groups, asked, strict=True)
            if texts
        ]
        answers = iter(await ask(self._engine, contexts))
        scores = []
        for group, texts in zip(groups, asked, strict=True):
            refused = Score.unscored(Status.ERROR, "needs text, not token ids, to find steps")
            row = [refused] * len(group.responses)
            for (place, text), found in zip(
                texts.items(), next(answers) if texts else (), strict=True
            ):
                row[place] = self._score(text, found)
            scores.append(row)
        return scores

    async def close(self) -> None:
        """Kills the engine process."""
        await self._engine.close()

    def _score(self, text: str, found: TokenScores | str) -> Score:
        if not text.strip():
            return Score.unscored(Status.ABSTAINED, "the response has no text")
        if isinstance(found, str):
            return Score.unscored(Status.ERROR, found)
        policy, reference = found.log_probabilities
        rewards = self._config.beta * (policy - reference)
        spans = [(span.start, span.end) for span in split_steps(text, self._config.most_steps)]
        steps = implicit_steps(spans, found.starts, rewards)
        by_step = np.array([step.reward for step in steps], dtype=np.float64)
        value = _AGGREGATIONS[self._config.aggregation](by_step, len(rewards))
        status = Status.TRUNCATED if found.truncation else Status.OK
        return Score(status, value, found.truncation, steps=steps)


def _texts(group: Group) -> dict[int, str]:
    """The responses that are text, by place; none where the prompt is in token ids."""
    if isinstance(group.prompt, TokenIds):
        return {}
    return {i: r.text for i, r in enumerate(group.responses) if isinstance(r.text, str)}


def implicit_steps(
    spans: Sequence[tuple[int, int]],
    starts: NDArray[np.integer],
    rewards: NDArray[np.float64],
) -> tuple[Step, ...]:
    """The steps at the characters `spans`, with q at their end and what they added to it.

    `starts` is the character at which each token begins, ascending, `rewards` is
    beta * log-ratio of each token. Tokens before the first step count to it.
    """
    begins = np.array([start for start, _ in spans])
    owner = np.maximum(np.searchsorted(begins, starts, side="right") - 1, 0)
    added = np.bincount(owner, weights=rewards, minlength=len(spans))
    return tuple(
        Step(start, end, score=float(total), reward=float(reward))
        for (start, end), total, reward in zip(spans, added.cumsum(), added, strict=True)
    )
