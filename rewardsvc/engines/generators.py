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
from rewardsvc.engines.openai.config import OpenAIConfig
from rewardsvc.engines.vllm.config import VllmConfig

__all__ = ["GeneratorConfig", "generator_from_config"]

GeneratorConfig = Annotated[OpenAIConfig | VllmConfig, Field(discriminator="engine")]


def generator_from_config(
    config: OpenAIConfig | VllmConfig, base_path: Path, name: str = "model"
) -> Generator:
    """A generator, not started; relative paths in `config` start at `base_path`.

    `name` is what its error messages call it, e.g. the scorer's name.

    Raises:
        ConfigError: a model directory is missing, or the API key is not in the environment.
    """
    # Engines are imported only when used: aiohttp is not needed for vLLM.
    if isinstance(config, OpenAIConfig):
        from rewardsvc.engines.openai.generator import OpenAIGenerator

        return OpenAIGenerator(config, name)
    from rewardsvc.engines.vllm.generator import VllmGenerator

    return VllmGenerator(config, base_path, name)
