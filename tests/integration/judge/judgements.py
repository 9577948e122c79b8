"""Short ways to configure a judge and to say what a scripted one answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import log

from fixtures.openai_server import Says, ScriptedModel, ScriptedRequest, ScriptedToken, token

QUESTION = "What is 6 times 7?"


def config(model: ScriptedModel, kind: str = "judge", **settings: object) -> str:
    """A server whose only reward, `judge`, is this judge's score."""
    engine = {"engine": "openai", "endpoint": model.endpoint, "model": model.name, "retries": 0}
    scorer = {"kind": kind, "model": engine, **settings}
    return json.dumps(
        {
            "server": {"address": "127.0.0.1:0"},
            "scorers": {"judge": scorer},
            "rewards": {"judge": {"components": [{"scorer": "judge"}]}},
        }
    )


def settings_of(model: ScriptedModel, **settings: object) -> dict[str, object]:
    """A judge's configuration, for making one without a server."""
    engine = {"engine": "openai", "endpoint": model.endpoint, "model": model.name, "retries": 0}
    return {"model": engine, **settings}


def likely(verdict: str, probabilities: Mapping[str, float], before: str = "[RESULT] ") -> Says:
    """A judgement that ends with `verdict`, chosen among these probabilities."""
    return Says(before + verdict, tokens=[token(before, 0.0), chosen(verdict, probabilities)])


def chosen(text: str, probabilities: Mapping[str, float]) -> ScriptedToken:
    """A token with probabilities in place of their logarithms."""
    logs = {other: log(p) for other, p in probabilities.items()}
    return token(text, logs[text], logs)


def quoted(request: ScriptedRequest, name: str) -> str:
    """What the request quotes under a name."""
    found = re.search(rf"<<<{name} ([0-9a-f]{{16}})\n(.*?)\n\1 {name}>>>", request.text, re.S)
    assert found is not None, request.text
    return found[2]
