"""Engines that answer as the vLLM ones do, without vLLM: to test the server's side of them."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np


class ToyGeneration:
    """Answers by the last message: `hang`, `fail`, `crash`, else its own options and request."""

    progress = 0

    def __init__(self, **options: Any) -> None:
        self.options = options

    async def start(self) -> dict[str, Any]:
        return {"vllm": "0.0", "dtype": "float32", "max_length": 64}

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        text = request["messages"][-1][1]
        if text == "hang":
            await asyncio.Event().wait()
        if text == "fail":
            return {"failed": "too long: the prompt has 70 tokens"}
        if text == "crash":
            raise RuntimeError("no luck")
        tokens = [["yes", -0.5, [["yes", -0.5], ["no", -1.0]]]] if request["logprobs"] else []
        said = self.options["prefix_caching"] if text == "options" else sorted(request.items())
        completion = [f"{said}", "length", tokens]
        return {
            "completions": [completion] * request["samples"],
            "prompt": 7,
            "cached": 4,
            "completion": 3,
        }


class ToyPooling:
    """A sample's score is its response's length; `long` is truncated, `bad` fails."""

    progress = 0

    def __init__(self, **options: Any) -> None:
        self.options = options

    async def start(self) -> dict[str, Any]:
        labels = 2 if self.options["max_length"] == 9 else 1
        return {"vllm": "0.0", "dtype": "float32", "max_length": 64, "outputs": labels}

    async def answer(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            self._one(response) for group in request["groups"] for response in group["responses"]
        ]

    @staticmethod
    def _one(response: str) -> dict[str, Any]:
        if response == "bad":
            return {"failure": "cannot be tokenised"}
        value = float("nan") if response == "nan" else float(len(response))
        return {
            "outputs": [np.array([value]).tobytes()],
            "truncation": "the first 3 tokens were dropped" if response == "long" else "",
            "warning": "",
        }
