"""A real vLLM on the CPU, behind the service: run by `make test-vllm`, never by `make test`.

One server with every kind of scorer that uses vLLM, started once: its critic and its judge
share one engine, so that there are three. vLLM lives in an environment of its own, made by
scripts/setup-vllm.sh; VLLM_PYTHON names another one's interpreter.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from fixtures.tiny_models import save_causal_model, save_process_reward_model, save_reward_model

from rewardsvc.client import AsyncClient
from rewardsvc.config import parse_config
from rewardsvc.server.app import RewardServer

collect_ignore_glob = [] if os.environ.get("RUN_VLLM") else ["test_*.py"]

_VENV = Path(__file__).parents[2] / ".venv-vllm" / "bin" / "python"

CRITIQUES = tuple(
    f'{{"review":"The sum is {n}.","wrong_steps":[{wrong}],"final_answer":"{verdict}"}}'
    for n, wrong, verdict in (
        (4, "", "correct"),
        (7, '{"step":1,"error":"The step does not follow."}', "incorrect"),
    )
)

CONFIG = """
server: {{address: "127.0.0.1:0"}}
scorers:
  critic:
    kind: critic
    model: &critic {{engine: vllm, model: critic, {vllm}, max_length: 2048}}
    critiques: 3
    max_tokens: 200
    seconds_per_sample: 300
  judge:
    kind: judge
    model: *critic
    reasoning: false
    seconds_per_sample: 300
  steps:
    kind: process
    model: prm
    format: prm800k
    vllm: {{{vllm}}}
  steps_torch: {{kind: process, model: prm, format: prm800k, dtype: float32, device: cpu}}
  reward: {{kind: vllm_reward, model: reward, dtype: float32, {vllm}}}
  reward_torch:
    kind: ensemble
    members: [reward]
    standardisation: none
    objective: mean
    dtype: float32
    device: cpu
rewards:
  critic: {{components: [{{scorer: critic}}]}}
  judge: {{components: [{{scorer: judge}}]}}
  steps: {{components: [{{scorer: steps}}]}}
  steps_torch: {{components: [{{scorer: steps_torch}}]}}
  reward: {{components: [{{scorer: reward}}]}}
  reward_torch: {{components: [{{scorer: reward_torch}}]}}
"""


@dataclass(frozen=True)
class Service:
    """The running service, and a client of it."""

    server: RewardServer
    client: AsyncClient
    folder: Path
    """Where the models are."""


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    """The interpreter that has vLLM."""
    python = Path(os.environ.get("VLLM_PYTHON", _VENV))
    assert python.is_file(), f"no interpreter at {python}: run scripts/setup-vllm.sh"
    return python


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the models critic, prm and reward."""
    folder = tmp_path_factory.mktemp("models")
    save_causal_model(folder / "critic", taught=CRITIQUES)
    save_process_reward_model(folder / "prm")
    save_reward_model(folder / "reward")
    return folder


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(vllm_python: Path, models: Path) -> AsyncIterator[Service]:
    """The service, warm."""
    vllm = f'python: "{vllm_python}", eager: true, cpu_cache_gigabytes: 1, threads: 2'
    config = parse_config(CONFIG.format(vllm=vllm), source="vllm.yaml", base_path=models)
    server = RewardServer(config)
    try:
        address = await server.open()
        await server.warm_up()
        async with AsyncClient(address, timeout=300) as client:
            yield Service(server, client, models)
    finally:
        await server.close()
