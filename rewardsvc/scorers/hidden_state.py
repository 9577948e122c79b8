"""A verifier that reads a model's hidden states: nearer to right or to wrong responses (CLUE).

arXiv 2510.01591. A language model reads the prompt and the response; what its thinking changed
in the hidden states is compared with the centroids of right and of wrong responses, see
`rewardsvc.calibration.nearest_centroid`. No reference is needed.

Not covered: a policy that is trained against this score can learn thinking that moves the
states and not the answer. The answer itself is not read at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from rewardsvc.engines.hidden_states.centroid_files import load_centroids, read_facts
from rewardsvc.engines.model_files import check_model_directory, model_hash
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.model_requests import as_messages
from rewardsvc.scorers.model_settings import ModelSettings, start_and_hash
from rewardsvc.scorers.scorer import weigh_by_characters
from rewardsvc.types import (
    Evidence,
    Group,
    Outcome,
    Score,
    ScorerDescription,
    Status,
    TokenIds,
    Verdict,
)
from rewardsvc.versions import version_of

__all__ = ["STAGE", "HiddenStateConfig", "HiddenStateScorer"]

STAGE = "hidden_state"
_ENGINE = "rewardsvc.engines.hidden_states.engine:HiddenStateEngine"


class HiddenStateConfig(ModelSettings):
    """Configuration of a hidden-state verifier; relative paths start at the file's folder.

    The markers of thinking are those that the centroids were fitted with.
    """

    kind: Literal["hidden_state"] = "hidden_state"
    model: str = Field(min_length=1, description="Model folder: a causal language model.")
    centroids: str = Field(
        min_length=1, description="Folder that `rewardsvc train centroids` wrote for it."
    )


class HiddenStateScorer:
    """Scores responses by their distances to two centroids.

    `value` is the distance to the failure centroid less that to the success centroid:
    unbounded, higher is better, in the model's own unit. The verdict is CORRECT exactly when
    the success centroid is the nearer one. A response without thinking, or whose thinking
    does not fit the model, is ABSTAINED: nothing is cut.
    """

    config_type: ClassVar[type[BaseModel]] = HiddenStateConfig
    needs_reference = False
    range: tuple[float | None, float | None] = (None, None)

    def __init__(self, name: str, config: HiddenStateConfig, base_path: Path) -> None:
        """Checks the model's and the centroids' files; ConfigError names what is wrong."""
        self.name = name
        self.limits = config.limits
        self._config = config
        self._model = base_path / config.model
        self._centroids = base_path / config.centroids
        check_model_directory(self._model)
        self._of = read_facts(self._centroids)
        load_centroids(self._centroids, self._of)
        self._started = False
        self._facts: dict[str, str] = {}
        self._engine = config.process(
            name, _ENGINE, {"model": str(self._model), "centroids": str(self._centroids)}
        )

    def describe(self) -> ScorerDescription:
        """Version of model, centroids and settings; before `start` it says so."""
        version = "hidden_state-not-loaded"
        if self._started:
            version = version_of(
                "hidden_state-1",
                self._config.deciding,
                self._of.model_hash,
                self._of.tensors_hash,
                f"{self._of.markers}",
            )
        properties = {
            "centroids": f"{self._of.success_count} right and {self._of.failure_count} wrong "
            f"responses, {self._of.layers} layers of {self._of.hidden_size}",
            "markers": f"{self._of.markers.start} {self._of.markers.end}",
            "made_from": self._of.made_from,
            "deterministic": str(self._config.deterministic).lower(),
            **self._facts,
        }
        return ScorerDescription(self.name, "hidden_state", version, properties=properties)

    def weigh(self, group: Group) -> list[int]:
        """By characters: the batches need an estimate only."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Starts the engine process; ConfigError or EngineDown where it cannot.

        Raises ConfigError also where the centroids are not of this model.
        """
        self._facts, found = await start_and_hash(self._engine, [partial(model_hash, self._model)])
        if found != self._of.model_hash:
            raise ConfigError(
                f"{self._centroids}: are centroids of another model than {self._model}: its hash "
                f"is {found}, theirs {self._of.model_hash}; fit them anew: rewardsvc train "
                "centroids"
            )
        self._started = True

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Scores one batch; raises as an EngineProcess does."""
        readable = [_texts(group) for group in groups]
        asked = [
            [as_messages(group.prompt), list(texts.values())]
            for group, texts in zip(groups, readable, strict=True)
            if texts
        ]
        found = iter(await self._ask(asked, sum(map(len, readable))))
        refused = Score.unscored(Status.ERROR, "needs text, not token ids, to find its thinking")
        scores = []
        for group, texts in zip(groups, readable, strict=True):
            row = [refused] * len(group.responses)
            for place in texts:
                row[place] = next(found)
            scores.append(row)
        return scores

    async def close(self) -> None:
        """Kills the engine process."""
        await self._engine.close()

    async def _ask(self, groups: list[list[object]], count: int) -> list[Score]:
        """One score for each of the `count` texts."""
        if not count:
            return []
        reply = await self._engine.call({"groups": groups})
        scores = {place: _score(*distances) for place, *distances in reply["distances"]}
        for place, reason in reply["abstained"]:
            verdict = Verdict(Outcome.UNDECIDED, reason, STAGE)
            scores[place] = Score.unscored(Status.ABSTAINED, reason, verdict)
        for place, reason in reply["failures"]:
            scores[place] = Score.unscored(Status.ERROR, reason)
        return [scores[place] for place in range(count)]


def _score(to_success: float, to_failure: float) -> Score:
    right = to_success < to_failure
    verdict = Verdict(
        Outcome.CORRECT if right else Outcome.INCORRECT,
        f"What its thinking changed is {to_success:.4g} from the centroid of right responses and "
        f"{to_failure:.4g} from that of wrong ones.",
        STAGE,
    )
    attributes = {"distance_to_success": to_success, "distance_to_failure": to_failure}
    return Score(
        Status.OK,
        to_failure - to_success,
        verdict=verdict,
        evidence=Evidence(attributes=attributes),
    )


def _texts(group: Group) -> dict[int, str]:
    """The responses that are text, by place; none where the prompt is in token ids."""
    if isinstance(group.prompt, TokenIds):
        return {}
    return {i: r.text for i, r in enumerate(group.responses) if isinstance(r.text, str)}
