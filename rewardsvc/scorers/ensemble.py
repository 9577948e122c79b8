"""Scores by an ensemble of reward models, with an objective that can be conservative.

The members run in an engine process; here their scores are standardised by frozen
statistics and aggregated. A member that fails on a sample is reported by name with the
reason, and the sample still has a score as long as `minimum_members` are left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from rewardsvc.aggregate import disagreement, enough_members, mask_failures, objective_named
from rewardsvc.engines.families import FAMILIES
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.ensemble_config import EnsembleConfig
from rewardsvc.scorers.ensemble_files import find_files, find_objective, find_standardisation
from rewardsvc.scorers.model_requests import model_request
from rewardsvc.scorers.model_settings import start_and_hash
from rewardsvc.scorers.scorer import weigh_by_characters
from rewardsvc.types import Evidence, Group, MemberScore, Score, ScorerDescription, Status
from rewardsvc.versions import version_of

__all__ = ["EnsembleConfig", "EnsembleScorer"]

_ENGINE = "rewardsvc.engines.reward_models:RewardModelEngine"
_KEEPS_RANGE = frozenset({"mean", "worst_case", "median"})
"""Objectives that never leave the range of the members' scores."""


class EnsembleScorer:
    """Scores responses with every member and reports the objective over them.

    `value` is the objective over the members' standardised scores, in standard deviations of
    the reference set, higher is better, unbounded; with `standardisation: none` it has the
    members' own unit; a fitted objective's is log-odds.
    """

    config_type: ClassVar[type[BaseModel]] = EnsembleConfig

    def __init__(self, name: str, config: EnsembleConfig, base_path: Path) -> None:
        """Checks that the members and their standardisation are there; loads no model.

        Raises:
            ConfigError: names the key and the path, and what is missing or allowed.
        """
        self.name = name
        self.limits = config.limits
        self._config = config
        self._family = FAMILIES[config.family]
        self.needs_reference = self._family.needs_reference
        self._files = find_files(config, base_path)
        self._members = self._files.names
        self._fitted = find_objective(config, base_path, self._members)
        self._standardisation = find_standardisation(config, base_path, self._members, self._fitted)
        self._minimum_members = config.minimum_members or len(self._members)
        if self._minimum_members > len(self._members):
            raise ConfigError(
                f"minimum_members: must be at most {len(self._members)}, the number of members, "
                f"not {self._minimum_members}"
            )
        self._weights = [config.attribute_weights.get(label, 0.0) for label in self._files.labels]
        keeps = config.objective in _KEEPS_RANGE and self._standardisation.version == "none"
        self.range = self._family.range if keeps else (None, None)
        self._hashes: list[str] | None = None
        self._facts: dict[str, str] = {}
        self._engine = config.process(
            name,
            _ENGINE,
            {
                "family": config.family,
                "kind": self._files.kind,
                "source": {
                    "directories": [str(path) for path in self._files.directories],
                    "parts": [str(path) for path in self._files.parts],
                    "outputs": len(self._files.labels),
                    **config.dropout,
                },
                "truncation": config.truncation,
            },
        )

    def describe(self) -> ScorerDescription:
        """Members, objective and version.

        The version covers weights, tokenizers, standardisation, objective and settings; before
        `start` has read the weights it says so. It does not cover the device.
        """
        config = self._config
        objective = self._fitted.version if self._fitted else repr(config.parameters)
        if self._hashes is None:
            version = "ensemble-not-loaded"
        else:
            version = version_of(
                "ensemble-2",
                f"{config.family} {self._files.kind} {config.dropout}",
                repr(dict(zip(self._files.labels, self._weights, strict=True))),
                f"{config.objective} {objective}",
                self._standardisation.version,
                f"{self._minimum_members} {config.truncation} {config.deciding}",
                *self._members,
                *self._hashes,
            )
        properties = {
            "family": config.family,
            "members_are": self._files.kind,
            "standardisation": self._standardisation.version,
            "minimum_members": str(self._minimum_members),
            "truncation": config.truncation,
            "deterministic": str(config.deterministic).lower(),
            **self._family.properties,
            **{key: f"{value:g}" for key, value in config.parameters.items()},
            **self._facts,
        }
        if self._fitted:
            properties["objective_version"] = self._fitted.version
        if self._family.weighted:
            weighted = zip(self._files.labels, self._weights, strict=True)
            properties["attributes"] = ", ".join(self._files.labels)
            properties["attribute_weights"] = ", ".join(f"{n}: {w:g}" for n, w in weighted)
        return ScorerDescription(
            self.name,
            "ensemble",
            version,
            members=self._members,
            objective=config.objective,
            properties=properties,
        )

    def weigh(self, group: Group) -> list[int]:
        """By characters: the batches need an estimate only."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Starts the engine process, which loads and warms up every member.

        Raises:
            ConfigError: a member cannot be used; names its folder and what is wrong.
            EngineDown: the process could not be started.
        """
        information, *self._hashes = await start_and_hash(self._engine, self._files.hashing())
        facts = information.pop("facts")
        self._facts = {**information, **facts}

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Scores one batch.

        Raises:
            EngineCrashed, EngineDown, EngineCallFailed: the batch could not be run.
        """
        request = model_request(
            groups,
            with_references=self.needs_reference,
            answers_first=self._family.prefers_answers,
        )
        scores: list[Score] = []
        if request.groups:
            reply = await self._engine.call({"groups": request.groups})
            scores = self._interpret(reply, len(request.positions))
        return request.arrange(scores, groups)

    async def close(self) -> None:
        """Kills the engine process."""
        await self._engine.close()

    def _interpret(self, reply: Mapping[str, Any], count: int) -> list[Score]:
        outputs = np.frombuffer(reply["outputs"]).reshape(
            count, len(self._members), len(self._files.labels)
        )
        failures: dict[int, dict[int, str]] = defaultdict(dict)
        for sample, member, reason in reply["failures"]:
            failures[sample][member] = reason
        truncations, warnings = dict(reply["truncations"]), dict(reply["warnings"])
        raw = self._family.scores(outputs, self._weights)
        standardised = self._standardisation.apply(raw, self._members)
        values = self._objective(raw, standardised)
        apart = disagreement(standardised)
        enough = enough_members(standardised, self._minimum_members) & np.isfinite(values)
        scores = []
        for index in range(count):
            members = tuple(
                self._member_score(k, raw[index, k], standardised[index, k], failures[index])
                for k in range(len(self._members))
            )
            if enough[index]:
                status = Status.TRUNCATED if index in truncations else Status.OK
                reason = truncations.get(index, "")
                value, spread = float(values[index]), float(apart[index])
                evidence = self._evidence(outputs[index], raw[index], warnings.get(index, ""))
            else:
                status, value, spread, evidence = Status.ERROR, None, None, None
                reason = self._too_few(members)
            scores.append(
                Score(
                    status,
                    value,
                    reason,
                    members=members,
                    disagreement=spread,
                    evidence=evidence,
                )
            )
        return scores

    def _objective(
        self, raw: NDArray[np.float64], standardised: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if self._fitted is not None:
            return self._fitted(mask_failures(raw))
        objective = objective_named(self._config.objective)
        return objective.with_parameters(**self._config.parameters)(standardised)

    def _evidence(
        self, outputs: NDArray[np.float64], raw: NDArray[np.float64], warning: str
    ) -> Evidence | None:
        """Raw attributes, the mean of the members that have a score, and warnings."""
        attributes = {}
        if self._family.weighted:
            means = outputs[np.isfinite(raw)].mean(axis=0)
            attributes = {
                label: float(mean) for label, mean in zip(self._files.labels, means, strict=True)
            }
        if not attributes and not warning:
            return None
        return Evidence(attributes=attributes, warnings=(warning,) if warning else ())

    def _member_score(
        self, member: int, raw: float, standardised: float, failures: Mapping[int, str]
    ) -> MemberScore:
        name = self._members[member]
        if member in failures:
            return MemberScore(name, None, None, failures[member])
        if not np.isfinite(raw) or not np.isfinite(standardised):
            return MemberScore(name, None, None, f"its score is not finite: {raw}")
        return MemberScore(name, float(raw), float(standardised))

    def _too_few(self, members: Sequence[MemberScore]) -> str:
        failed = [member for member in members if member.failure]
        if len(members) - len(failed) >= self._minimum_members:
            return "the objective over the members is not a finite number"
        reasons = dict.fromkeys(member.failure for member in failed)
        if len(reasons) == 1:
            why = f"{', '.join(member.name for member in failed)}: {failed[0].failure}"
        else:
            why = "; ".join(f"{member.name}: {member.failure}" for member in failed)
        return (
            f"{len(members) - len(failed)} of {len(members)} members have a score, "
            f"{self._minimum_members} are needed; {why}"
        )
