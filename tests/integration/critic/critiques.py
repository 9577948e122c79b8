"""Short ways to say what a scripted critic answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fixtures.openai_server import ScriptedRequest


def critique(*wrong: int, answer: str | None = "correct") -> str:
    """A guided critique that calls these steps wrong."""
    fields: dict[str, Any] = {
        "review": "I checked it.",
        "wrong_steps": [{"step": step, "error": f"step {step} is off"} for step in wrong],
    }
    if answer is not None:
        fields["final_answer"] = answer
    return json.dumps(fields)


def in_waves(*critiques: str) -> Callable[[ScriptedRequest], list[str]]:
    """Answers sample after sample, going on where the request before ended."""
    said = 0

    def answer(request: ScriptedRequest) -> list[str]:
        nonlocal said
        mine = critiques[said : said + request.samples]
        said += request.samples
        return list(mine)

    return answer
