"""The scorer over its engine process: objectives, failures, crashes, configuration."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_models import save_llama

from rewardsvc.aggregate import MemberStatistics, Standardisation
from rewardsvc.engines import EngineCrashed
from rewardsvc.engines.model_files import tokenizer_hash
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.ensemble import EnsembleConfig, EnsembleScorer
from rewardsvc.types import Chat, ChatMessage, Group, Response, Score, Status, TokenIds

MEMBERS = ("first", "second", "third")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("base")
    for seed, name in enumerate(MEMBERS):
        save_llama(base / "ensemble" / name, seed=seed)
    save_llama(base / "not_a_number", fill=float("nan"))
    save_llama(base / "two_labels", num_labels=2)
    standardisation = Standardisation(
        {name: MemberStatistics(0.5 * k, 1.0 + k) for k, name in enumerate(MEMBERS)}, "a test"
    )
    path = base / "ensemble" / "standardisation.json"
    path.write_text(json.dumps(standardisation.to_json()))
    return base


def config(**settings: Any) -> EnsembleConfig:
    if "members" not in settings:
        settings = {"directory": "ensemble", **settings}
    return EnsembleConfig(device="cpu", threads=1, **settings)


def group(*texts: str | TokenIds, prompt: Any = "What is 1 + 1?") -> Group:
    return Group("g", prompt, tuple(Response(str(i), text) for i, text in enumerate(texts)))


async def score_once(scorer: EnsembleScorer, *groups: Group) -> list[list[Score]]:
    try:
        await scorer.start()
        return await scorer.score(groups)
    finally:
        await scorer.close()


@pytest.fixture
async def scorer(base: Path) -> AsyncIterator[EnsembleScorer]:
    made = EnsembleScorer("rm", config(), base)
    assert made.describe().version == "ensemble-not-loaded"
    await made.start()
    yield made
    await made.close()


async def test_a_batch_from_start_to_crash_to_recovery(scorer: EnsembleScorer, base: Path) -> None:
    groups = [
        group("2", "3"),
        group("4", prompt=Chat((ChatMessage("user", "What is 1 + 1?"),))),
        group("x" * 400, TokenIds(b"\1\0\0\0", "h")),
        group("y", prompt="x" * 400),
    ]
    scored = await scorer.score(groups)
    assert [len(scores) for scores in scored] == [2, 1, 2, 1]

    first = scored[0][0]
    assert first.status is Status.OK and first.reason == ""
    raw = np.array([member.score for member in first.members])
    standardised = np.array([member.standardised for member in first.members])
    assert [member.name for member in first.members] == list(MEMBERS)
    np.testing.assert_allclose(standardised, (raw - [0, 0.5, 1]) / [1, 2, 3])
    assert first.value == pytest.approx(standardised.mean() - 0.5 * standardised.var())
    assert first.disagreement == pytest.approx(standardised.std())
    # A plain prompt is one user message.
    again = (await scorer.score([group("4")]))[0][0]
    assert again.value == pytest.approx(scored[1][0].value, abs=1e-5)

    too_long, mixed = scored[2]
    assert too_long.status is Status.ERROR and too_long.value is None
    assert too_long.reason.startswith("0 of 3 members have a score, 3 are needed; first, second")
    assert "the response alone takes" in too_long.reason
    assert mixed.status is Status.ERROR and "both" in mixed.reason
    truncated = scored[3][0]
    assert truncated.status is Status.TRUNCATED and truncated.value is not None
    assert "tokens were dropped" in truncated.reason

    ids = np.array([0, 5, 6, 7], dtype="<i4").tobytes()
    by = tokenizer_hash(base / "ensemble" / "first")
    good, foreign, odd, split = [
        (await scorer.score([group(TokenIds(response, hash_), prompt=TokenIds(ids, by))]))[0][0]
        for response, hash_ in ((ids, by), (ids, "other"), (b"\1", by), (b"", by))
    ]
    assert good.status is Status.OK and split.status is Status.OK
    assert foreign.status is Status.ERROR and "hashes" in foreign.reason
    assert odd.status is Status.ERROR and "4 bytes" in odd.reason

    description = scorer.describe()
    assert description.members == MEMBERS
    assert description.objective == "uncertainty_weighted"
    assert description.version.startswith("ensemble-2-")
    assert description.properties["device"] == "cpu"
    assert scorer.weigh(groups[0]) == [4, 1, 1]

    large = asyncio.create_task(scorer.score([group(*["9" * 200] * 500)]))
    await asyncio.sleep(0)
    pid = scorer._engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineCrashed, match="engine rm was killed by SIGKILL"):
        await large
    recovered = (await scorer.score([groups[0]]))[0]
    assert [s.value for s in recovered] == pytest.approx([s.value for s in scored[0]], abs=1e-5)


async def test_a_failed_member_is_named_and_the_others_are_enough(base: Path) -> None:
    members = ("ensemble/first", "not_a_number", "ensemble/second")
    settings = {"members": members, "standardisation": "none", "objective": "worst_case"}
    scorer = EnsembleScorer("rm", config(**settings, minimum_members=2), base)
    ((score,),) = await score_once(scorer, group("2"))
    first, failed, second = score.members
    assert failed.score is None and failed.failure == "its score is not finite: nan"
    assert first.score is not None and second.score is not None
    assert score.status is Status.OK
    assert score.value == pytest.approx(min(first.score, second.score))


def test_too_few_members_is_an_error_that_says_so(base: Path) -> None:
    scorer = EnsembleScorer("rm", config(objective="mean", minimum_members=2), base)
    reply = {
        "outputs": np.array([[1.0, 2.5, np.nan], [1.0, np.inf, np.nan]]).tobytes(),
        "warnings": [],
        "failures": [[0, 2, "out of luck"], [1, 2, "out of luck"]],
        "truncations": [[0, "cut"], [1, "cut"]],
    }
    enough, too_few = scorer._interpret(reply, 2)
    assert (enough.status, enough.value, enough.reason) == (Status.TRUNCATED, 1.0, "cut")
    assert [member.failure for member in enough.members] == ["", "", "out of luck"]
    assert (too_few.status, too_few.value, too_few.disagreement) == (Status.ERROR, None, None)
    assert too_few.reason == (
        "1 of 3 members have a score, 2 are needed; "
        "second: its score is not finite: inf; third: out of luck"
    )


async def test_a_member_that_cannot_be_loaded_stops_the_start(base: Path) -> None:
    settings = {"members": ("not_a_number",), "standardisation": "none", "max_length": 300}
    scorer = EnsembleScorer("rm", config(**settings), base)
    with pytest.raises(ConfigError, match="max_length: 300 is more than the 256 positions"):
        await scorer.start()
    await scorer.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "exactly one of directory and members"),
        ({"directory": "a", "members": ("b",)}, "exactly one of directory and members"),
        ({"directory": "a", "objective": "best"}, "must be one of mean, worst_case"),
        ({"directory": "a", "uncertainty_weight": -1}, "greater than or equal to 0"),
        ({"directory": "a", "uncertainty_weight": float("nan")}, "finite"),
        ({"directory": "a", "z": 1}, "no meaning for objective uncertainty_weighted"),
        ({"directory": "a", "objective": "mean", "uncertainty_weight": 1}, "no meaning"),
        ({"directory": "a", "minimum_members": 0}, "greater than or equal to 1"),
        ({"directory": "a", "memebrs": ()}, "Extra inputs are not permitted"),
        ({"directory": "a", "device": "cuda:x"}, "pattern"),
        ({"directory": "a", "dtype": "int8"}, "float32"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EnsembleConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"directory": "nowhere"}, "directory: no such folder"),
        ({"directory": "not_a_number"}, "directory: no model folders"),
        ({"members": ("nowhere",), "standardisation": "none"}, "no such model directory"),
        (
            {"members": ("two_labels",), "standardisation": "none"},
            r"two_labels/config\.json: num_labels must be 1",
        ),
        ({"members": ("ensemble/first",)}, "standardisation: must be given with members"),
        (
            {"members": ("ensemble/first",), "standardisation": "x.json"},
            "standardisation: no file at",
        ),
        (
            {"members": ("not_a_number",), "standardisation": "ensemble/standardisation.json"},
            "members: not_a_number missing; there are first, second, third",
        ),
        (
            {"members": ("ensemble/first",) * 2, "standardisation": "none"},
            "two are called 'first'",
        ),
        ({"minimum_members": 4}, "minimum_members: must be at most 3"),
    ],
)
def test_what_is_missing_is_named_before_anything_starts(
    base: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        EnsembleScorer("rm", config(**settings), base)
