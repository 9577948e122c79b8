"""Scorers that configure the same model share its engine and its memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fixtures.openai_server import ScriptedModel
from pydantic import BaseModel, ConfigDict
from waiting_generator import WaitingGenerator, ask

from rewardsvc.engines.generators import GeneratorConfig, generator_from_config
from rewardsvc.engines.shared_generators import SharedGenerator
from rewardsvc.errors import ConfigError


class Section(BaseModel):
    """As a critic's or judge's configuration embeds it."""

    model_config = ConfigDict(extra="forbid")

    model: GeneratorConfig


async def test_one_start_and_one_close_for_all() -> None:
    engines = [WaitingGenerator() for _ in range(3)]
    shares = [SharedGenerator(engine, "same") for engine in engines]
    await asyncio.gather(*(share.start() for share in shares))
    assert [engine.starts for engine in engines] == [1, 0, 0]
    await shares[2].generate(ask())
    assert len(engines[0].calls) == 1
    await shares[0].close()
    await shares[0].close()
    await shares[1].close()
    assert engines[0].closes == 0
    assert (await shares[2].generate(ask())).completions
    await shares[2].close()
    assert engines[0].closes == 1
    # The next one starts an engine of its own.
    fresh = WaitingGenerator()
    share = SharedGenerator(fresh, "same")
    await share.start()
    assert fresh.starts == 1
    await share.close()


async def test_other_keys_do_not_share() -> None:
    engines = [WaitingGenerator() for _ in range(2)]
    shares = [SharedGenerator(engine, key) for engine, key in zip(engines, "ab", strict=True)]
    for share in shares:
        await share.start()
    assert [engine.starts for engine in engines] == [1, 1]
    for share in shares:
        await share.close()


async def test_a_failed_start_is_everybodys_and_leaves_nothing_behind() -> None:
    failing = WaitingGenerator()
    failing.start_failure = ConfigError("no such model")
    shares = [SharedGenerator(failing, "failing") for _ in range(2)]
    results = await asyncio.gather(*(share.start() for share in shares), return_exceptions=True)
    assert [type(result) for result in results] == [ConfigError, ConfigError]
    fresh = WaitingGenerator()
    share = SharedGenerator(fresh, "failing")
    await share.start()
    assert fresh.starts == 1
    await share.close()


def section(model: ScriptedModel, **settings: Any) -> Section:
    return Section.model_validate(
        {"model": {"engine": "openai", "endpoint": model.endpoint, "model": model.name, **settings}}
    )


async def test_the_same_configuration_shares_answers(tmp_path: Path) -> None:
    async with ScriptedModel("fine") as model:
        generators = [
            generator_from_config(section(model, **settings).model, tmp_path, name)
            for name, settings in (("critic", {}), ("judge", {}), ("other", {"concurrency": 2}))
        ]
        for generator in generators:
            await generator.start()
        usages = [(await generator.generate(ask())).usage for generator in generators]
        for generator in generators:
            await generator.close()
    assert [usage.answers_from_cache for usage in usages] == [0, 1, 0]
    assert model.calls == 2
    assert model.model_requests == 2


async def test_a_cache_of_no_size_remembers_nothing(tmp_path: Path) -> None:
    async with ScriptedModel("fine") as model:
        config = section(model, cache_megabytes=0).model
        generator = generator_from_config(config, tmp_path)
        await generator.start()
        for _ in range(2):
            await generator.generate(ask())
        await generator.close()
    assert model.calls == 2


def test_configurations_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'openai', 'vllm'"):
        Section.model_validate({"model": {"engine": "sglang"}})
    with pytest.raises(ValueError, match="seed cannot be set here"):
        Section.model_validate(
            {"model": {"engine": "vllm", "model": "m", "engine_options": {"seed": 1}}}
        )
    absent = Section.model_validate({"model": {"engine": "vllm", "model": "absent"}}).model
    with pytest.raises(ConfigError, match="no such"):
        generator_from_config(absent, tmp_path)
