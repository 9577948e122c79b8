"""Clients without a server: the same methods, answered by a script.

    def script(reward: str, sample: Sample) -> float:
        return 1.0 if sample.response.endswith("42") else 0.0

    client = ScriptedClient(script)
    train(reward_client=client)
    assert client.calls[0].reward == "math"

Samples are checked, numbered and ordered by the code of the real clients, so what these
accept, a server's client accepts. Not covered: deadlines, retries, and what a particular
server refuses.
"""

from __future__ import annotations

# ruff: noqa: ASYNC109 - the signatures are those of the real clients
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self, TypeAlias

from rewardsvc.client.samples import SampleLike, groups_of, sample_of, samples_of
from rewardsvc.client.testing_labels import ScriptedAsyncLabelCalls, ScriptedLabelCalls
from rewardsvc.errors import InvalidRequest, UnknownReward
from rewardsvc.types import Detail, Group, Result, RewardDescription, Sample, Status

Script: TypeAlias = Callable[[str, Sample], Result | float]
"""What a sample is given under a reward: a Result, or a number for one of status ok. May
raise an error of `rewardsvc.errors`, which fails the call as it would from a server."""


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """One call that was made."""

    method: str
    reward: str
    samples: tuple[Sample, ...]
    tenant: str | None = None
    timeout: float | None = None


class _Scripted:
    def __init__(
        self, script: Script | Result | float, rewards: Iterable[RewardDescription] = ()
    ) -> None:
        super().__init__()
        self._script = script
        self._rewards = {reward.name: reward for reward in rewards}
        self.calls: list[ScriptedCall] = []
        """Every scoring call, in order."""

    def _result(self, reward: str, sample: Sample) -> Result:
        outcome = self._script(reward, sample) if callable(self._script) else self._script
        if isinstance(outcome, Result):
            return replace(outcome, sample_id=sample.sample_id)
        return Result(sample.sample_id, Status.OK, reward=float(outcome))

    def _score(
        self,
        reward: str,
        samples: Iterable[SampleLike],
        tenant: str | None,
        timeout: float | None,
    ) -> list[Result]:
        checked = samples_of(samples)
        self.calls.append(ScriptedCall("score", reward, tuple(checked), tenant, timeout))
        return [self._result(reward, sample) for sample in checked]

    def _score_groups(
        self, reward: str, groups: Iterable[Group], tenant: str | None, timeout: float | None
    ) -> list[list[Result]]:
        of_groups = [
            [
                Sample(
                    group.prompt,
                    response.text,
                    group.reference_of(response),
                    response.sample_id,
                    group.domain,
                )
                for response in group.responses
            ]
            for group in groups_of(groups)
        ]
        samples = tuple(sample for group in of_groups for sample in group)
        self.calls.append(ScriptedCall("score_groups", reward, samples, tenant, timeout))
        return [[self._result(reward, sample) for sample in group] for group in of_groups]

    def _one_of_stream(
        self, reward: str, value: SampleLike, index: int, refused: str, tenant: str | None
    ) -> tuple[Sample, Result]:
        sample = sample_of(value, f"samples[{index}]")
        if not sample.sample_id:
            sample = replace(sample, sample_id=str(index))
        self.calls.append(ScriptedCall("stream", reward, (sample,), tenant))
        try:
            return sample, self._result(reward, sample)
        except InvalidRequest as error:
            if refused == "raise":
                raise
            return sample, Result(sample.sample_id, Status.ERROR, error.message)

    def _get_reward(self, name: str) -> RewardDescription:
        if name not in self._rewards:
            raise UnknownReward(f"no reward {name!r}; there are: {', '.join(self._rewards)}")
        return self._rewards[name]


class ScriptedAsyncClient(_Scripted, ScriptedAsyncLabelCalls):
    """Stands in for AsyncClient."""

    async def score(
        self,
        reward: str,
        samples: Iterable[SampleLike],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
    ) -> list[Result]:
        """As AsyncClient.score."""
        return self._score(reward, samples, tenant, timeout)

    async def score_groups(
        self,
        reward: str,
        groups: Iterable[Group],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
    ) -> list[list[Result]]:
        """As AsyncClient.score_groups."""
        return self._score_groups(reward, groups, tenant, timeout)

    async def stream(
        self,
        reward: str,
        samples: Iterable[SampleLike] | AsyncIterable[SampleLike],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
        refused: Literal["raise", "result"] = "raise",
        streams: int | None = None,
    ) -> AsyncGenerator[tuple[Sample, Result], None]:
        """As AsyncClient.stream; in the samples' order."""
        index = 0
        if isinstance(samples, AsyncIterable):
            async for value in samples:
                yield self._one_of_stream(reward, value, index, refused, tenant)
                index += 1
        else:
            for value in samples:
                yield self._one_of_stream(reward, value, index, refused, tenant)
                index += 1

    async def list_rewards(self, *, timeout: float | None = None) -> list[RewardDescription]:
        """The rewards that were given."""
        return sorted(self._rewards.values(), key=lambda reward: reward.name)

    async def get_reward(self, name: str, *, timeout: float | None = None) -> RewardDescription:
        """One of the rewards that were given."""
        return self._get_reward(name)

    async def close(self) -> None:
        """Does nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class ScriptedClient(_Scripted, ScriptedLabelCalls):
    """Stands in for Client."""

    def score(
        self,
        reward: str,
        samples: Iterable[SampleLike],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
    ) -> list[Result]:
        """As Client.score."""
        return self._score(reward, samples, tenant, timeout)

    def score_groups(
        self,
        reward: str,
        groups: Iterable[Group],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
    ) -> list[list[Result]]:
        """As Client.score_groups."""
        return self._score_groups(reward, groups, tenant, timeout)

    def stream(
        self,
        reward: str,
        samples: Iterable[SampleLike],
        *,
        timeout: float | None = None,
        tenant: str | None = None,
        detail: Detail = Detail.FULL,
        attribute_weights: Mapping[str, float] | None = None,
        batch_id: str = "",
        refused: Literal["raise", "result"] = "raise",
        streams: int | None = None,
    ) -> Iterator[tuple[Sample, Result]]:
        """As Client.stream; in the samples' order."""
        for index, value in enumerate(samples):
            yield self._one_of_stream(reward, value, index, refused, tenant)

    def list_rewards(self, *, timeout: float | None = None) -> list[RewardDescription]:
        """The rewards that were given."""
        return sorted(self._rewards.values(), key=lambda reward: reward.name)

    def get_reward(self, name: str, *, timeout: float | None = None) -> RewardDescription:
        """One of the rewards that were given."""
        return self._get_reward(name)

    def close(self) -> None:
        """Does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
