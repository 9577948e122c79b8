"""Reads outputs of classifiers on vLLM's pooling runner: the engine in the process. Imports vLLM.

A request has one of two forms; the reply is a list, in order, of what became of each sequence.

* `{"groups": [group, …]}`, groups as `rewardsvc.scorers.model_requests` makes them: samples are
  read as `family` reads them, and a sample's reply is `{"outputs": [float64 bytes of each
  reading], "truncation": text, "warning": text}`;
* `{"sequences": [[int32 bytes, int32 bytes], …]}`: token ids and the positions among them
  whose outputs are wanted; needs `task: token_classify`. A sequence's reply is `{"outputs":
  [float64 bytes of shape (positions, labels)]}`.

Either may be `{"failure": reason}` instead. Outputs are the model's own: vLLM would put them
through a sigmoid or softmax by default, which loses what a Bradley-Terry score means.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rewardsvc.engines.engine import EngineLost
from rewardsvc.engines.families import FAMILIES, Readable, Reading, Unreadable
from rewardsvc.engines.model_files import tokenizer_hash
from rewardsvc.engines.token_ids import read_token_ids
from rewardsvc.engines.truncation import Truncation
from rewardsvc.engines.vllm.loading import EngineOptions, Progress, load_tokenizer, start_vllm
from rewardsvc.errors import ConfigError

__all__ = ["PoolingEngine"]


class PoolingEngine:
    """A classifier on AsyncLLM; see `EngineOptions` for the other options."""

    def __init__(
        self,
        *,
        task: Literal["classify", "token_classify"] = "classify",
        family: str = "bradley_terry",
        truncation: Truncation = "prompt_left",
        **options: Any,
    ) -> None:
        self._options = EngineOptions(**options)
        self._task = task
        self._family = FAMILIES[family]
        self._truncation: Truncation = truncation
        self._progress = Progress()
        self._identities = itertools.count()
        self._engine: Any = None

    @property
    def progress(self) -> int:
        """Steps of the engine so far."""
        return self._progress.steps

    async def start(self) -> dict[str, Any]:
        """Loads the model and runs it once."""
        import vllm

        model = self._options.model
        tokenizer = load_tokenizer(model)
        self._engine = start_vllm(self._options, "pooling", self._progress)
        tasks = await self._engine.get_supported_tasks()
        if self._task not in tasks:
            raise ConfigError(f"{model}: vLLM offers {', '.join(tasks)} for it, not {self._task}")
        self._max_length = min(self._engine.model_config.max_model_len, tokenizer.model_max_length)
        self._vocabulary = self._engine.model_config.get_vocab_size()
        self._tokenizer_hash = tokenizer_hash(Path(model))
        if self._task == "classify":
            self._reader = self._family.reader(tokenizer, self._max_length, self._truncation)
        outputs = await self._run([0, 0, 0])
        if isinstance(outputs, Unreadable):
            raise ConfigError(f"{model}: cannot score: {outputs.reason}")
        return {
            "vllm": vllm.__version__,
            "dtype": str(self._engine.model_config.dtype).removeprefix("torch."),
            "max_length": self._max_length,
            "outputs": int(outputs.shape[-1]),
        }

    async def answer(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Runs all of a request's sequences together; cancelled, they are aborted in vLLM."""
        if "sequences" in request:
            pairs = [
                (np.frombuffer(ids, "<i4").tolist(), np.frombuffer(places, "<i4").tolist())
                for ids, places in request["sequences"]
            ]
            return await _together(self._token_outputs(*pair) for pair in pairs)
        readings = [reading for group in request["groups"] for reading in self._read(group)]
        return await _together(self._score(reading) for reading in readings)

    def _read(self, group: Mapping[str, Any]) -> list[list[Reading | Unreadable]]:
        if "ids" not in group:
            readable = Readable(
                [{"role": role, "content": content} for role, content in group["messages"]],
                group["responses"],
                group.get("references", ()),
            )
            return self._reader.read([readable])[0]
        return [
            [
                read_token_ids(
                    group["ids"],
                    response,
                    group["hash"],
                    wanted_hash=self._tokenizer_hash,
                    vocabulary=self._vocabulary,
                    max_length=self._max_length,
                    truncation=self._truncation,
                )
            ]
            for response in group["responses"]
        ]

    async def _score(self, readings: Sequence[Reading | Unreadable]) -> dict[str, Any]:
        outputs = []
        for reading in readings:
            found = reading if isinstance(reading, Unreadable) else await self._run(reading.ids)
            if isinstance(found, Unreadable):
                return {"failure": found.reason}
            outputs.append(found.tobytes())
        read = [reading for reading in readings if isinstance(reading, Reading)]
        return {
            "outputs": outputs,
            "truncation": next((r.truncation for r in read if r.truncation), ""),
            "warning": next((r.warning for r in read if r.warning), ""),
        }

    async def _token_outputs(self, ids: list[int], positions: list[int]) -> dict[str, Any]:
        if not all(0 <= position < len(ids) for position in positions):
            return {"failure": f"positions must be in 0..{len(ids) - 1}"}
        found = await self._run(ids)
        if isinstance(found, Unreadable):
            return {"failure": found.reason}
        return {"outputs": [np.ascontiguousarray(found[positions]).tobytes()]}

    async def _run(self, ids: list[int]) -> Any:
        """float64 outputs, of shape (labels,) or, token by token, (tokens, labels)."""
        from vllm import PoolingParams
        from vllm.exceptions import VLLMValidationError
        from vllm.v1.engine.exceptions import EngineDeadError

        if not 0 < len(ids) <= self._max_length:
            return Unreadable(f"too long: {len(ids)} tokens; the model takes {self._max_length}")
        parameters = PoolingParams(task=self._task, use_activation=False)
        final: Any = None
        try:
            async for output in self._engine.encode(
                {"prompt_token_ids": ids}, parameters, f"{next(self._identities)}"
            ):
                final = output
        except EngineDeadError as error:
            raise EngineLost(str(error)) from error
        except (VLLMValidationError, ValueError) as error:
            return Unreadable(f"vLLM refused it: {' '.join(str(error).split())[:300]}")
        if final is None or not final.finished:
            return Unreadable("vLLM ended the request without an answer")
        return final.outputs.data.double().cpu().numpy()


async def _together(coroutines: Any) -> list[dict[str, Any]]:
    """All of them, in order; when cancelled or when one raises, none is left running."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
