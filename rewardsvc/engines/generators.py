"""Which language model a critic or judge uses: the `model:` section of its configuration.

model:
  engine: openai
  endpoint: http://critic:8000/v1
  model: Qwen/Qwen3-8B

model:
  engine: vllm
  model: models/critic
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from rewardsvc.engines.generation import Generator
from rewardsvc.engines.generation_cache import CachedGenerator
from rewardsvc.engines.openai.config import OpenAIConfig
from rewardsvc.engines.shared_generators import SharedGenerator
from rewardsvc.engines.vllm.config import VllmConfig

__all__ = ["GeneratorConfig", "generator_from_config"]

GeneratorConfig = Annotated[OpenAIConfig | VllmConfig, Field(discriminator="engine")]


def generator_from_config(
    config: OpenAIConfig | VllmConfig, base_path: Path, name: str = "model"
) -> Generator:
    """A generator, not started; relative paths in `config` start at `base_path`.

    It remembers answers, in `cache_megabytes`, and shares its engine and its memory with all
    generators of the same configuration in this process.

    Args:
        name: what its error messages call it, e.g. the scorer's name.

    Raises:
        ConfigError: a model folder is missing, or the API key is not in the environment.
    """
    generator = _engine(config, base_path, name)
    if config.cache_megabytes:
        generator = CachedGenerator(generator, config.cache_megabytes * 1024 * 1024)
    return SharedGenerator(generator, _key(config, base_path))


def _engine(config: OpenAIConfig | VllmConfig, base_path: Path, name: str) -> Generator:
    # Engines are imported only when used: aiohttp is not needed for vLLM.
    if isinstance(config, OpenAIConfig):
        from rewardsvc.engines.openai.generator import OpenAIGenerator

        return OpenAIGenerator(config, name)
    from rewardsvc.engines.vllm.generator import VllmGenerator

    return VllmGenerator(config, base_path, name)


def _key(config: OpenAIConfig | VllmConfig, base_path: Path) -> str:
    """Equal where one engine does for both; files changed meanwhile are another model."""
    if isinstance(config, OpenAIConfig):
        return config.model_dump_json()
    folder = (base_path / config.model).resolve()
    files = [
        (file.name, file.stat().st_size, file.stat().st_mtime_ns)
        for file in sorted(folder.iterdir())
        if file.is_file()
    ]
    return f"{config.model_dump_json()} {base_path.resolve()} {files}"
