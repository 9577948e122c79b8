"""The code scorer over the wire: verdicts per test, dense rewards, queue, cache, bad suites."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures.messages import request
from rewardsvc_verifiers.sandbox.probe import capabilities

from rewardsvc.errors import ConfigError
from rewardsvc.scorers.code import CodeConfig, CodeScorer
from rewardsvc.types import Group, Reference, Response, TestSuite
from rewardsvc.v1 import result_pb2

OK = result_pb2.SCORE_STATUS_OK
ERROR = result_pb2.SCORE_STATUS_ERROR
PASSED = result_pb2.TEST_STATUS_PASSED
RIGHT = "Adding:\n```python\nprint(sum(map(int, input().split())))\n```"
WRONG = "```python\nprint(3)\n```"
FORGED = "```python\nimport os\nos._exit(0)\n```"
ADDITION = json.dumps({"tests": [{"input": "1 2", "output": "3"}, {"input": "4 5", "output": "9"}]})

pytestmark = pytest.mark.skipif(
    capabilities().level is None or capabilities().level < 1,
    reason="no sandbox level above RLIMITS is available on this machine",
)


def config(**settings: object) -> str:
    values = ", ".join(f"{key}: {value}" for key, value in {"kind": "code", **settings}.items())
    return f"""
        server: {{address: "127.0.0.1:0"}}
        scorers: {{code: {{{values}}}}}
        rewards: {{code: {{components: [{{scorer: code}}]}}}}
    """


def programs(
    *texts: str, suite: str = ADDITION, suite_format: str = "stdio", group_id: str = "g"
) -> Group:
    responses = tuple(Response(f"{group_id}{number}", text) for number, text in enumerate(texts))
    return Group(group_id, "p", responses, Reference(tests=TestSuite(suite_format, suite)))


async def test_programs_become_rewards_and_every_test_says_why(start_server, connect):
    stub = connect(await start_server(config(workers=1)))
    answer = await stub.Score(request("code", programs(RIGHT, WRONG, FORGED, "")))
    right, wrong, forged, empty = answer.groups[0].results
    assert (right.status, right.reward) == (OK, 1.0)
    assert [test.status for test in right.verdict.tests] == [PASSED, PASSED]
    assert right.verdict.tests[0].cpu_seconds > 0
    assert (wrong.status, wrong.reward) == (OK, 0.0)
    assert [test.status for test in wrong.verdict.tests] == [
        PASSED,
        result_pb2.TEST_STATUS_WRONG_ANSWER,
    ]
    assert (forged.status, forged.reward) == (OK, 0.0)
    assert empty.verdict.outcome == result_pb2.OUTCOME_NO_ANSWER


async def test_dense_rewards(start_server, connect):
    stub = connect(await start_server(config(workers=1, reward="fraction_passed")))
    answer = await stub.Score(request("code", programs(RIGHT, WRONG)))
    assert [result.reward for result in answer.groups[0].results] == [1.0, 0.5]


async def test_rewards_weighted_by_difficulty(start_server, connect):
    stub = connect(await start_server(config(workers=1, reward="difficulty_weighted")))
    answer = await stub.Score(request("code", programs(RIGHT, WRONG, WRONG)))
    # The first test is passed by all: only the second, which one of three passes, counts.
    assert [result.reward for result in answer.groups[0].results] == [1.0, 0.0, 0.0]
    answer = await stub.Score(request("code", programs(WRONG, WRONG)))
    assert [result.reward for result in answer.groups[0].results] == [0.5, 0.5]


async def test_a_humaneval_row(start_server, connect):
    row = json.dumps(
        {
            "prompt": "def add(a, b):\n    ''' Adds. '''\n",
            "entry_point": "add",
            "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
        }
    )
    stub = connect(await start_server(config(workers=1)))
    group = programs(
        "    return a + b\n", "    return 3 - a\n", suite=row, suite_format="humaneval"
    )
    answer = await stub.Score(request("code", group))
    assert [result.reward for result in answer.groups[0].results] == [1.0, 0.0]


async def test_a_bad_suite_is_that_samples_error_and_says_why(start_server, connect):
    stub = connect(await start_server(config(workers=1)))
    bad = programs(RIGHT, suite='{"tests": [{"input": "1"}]}')
    unknown = programs(RIGHT, suite_format="nonsense", group_id="h")
    missing = Group("i", "p", (Response("a", RIGHT),))
    answer = await stub.Score(request("code", bad, unknown, missing))
    results = [group.results[0] for group in answer.groups]
    assert [result.status for result in results] == [ERROR] * 3
    assert "'output' is missing" in results[0].status_reason
    assert "'nonsense' is unknown" in results[1].status_reason
    assert "needs a reference with tests" in results[2].status_reason


async def test_identical_requests_are_answered_from_the_cache(start_server, connect):
    server = await start_server(config(workers=1))
    stub = connect(server)
    first = await stub.Score(request("code", programs(RIGHT)))
    scorer = server._slots["code"].scorer
    assert len(scorer._verdicts) == 1
    # A cached verdict needs no worker: with none left, it still answers.
    scorer._verifier._pool.close()
    second = await stub.Score(request("code", programs(RIGHT)))
    assert first.groups[0].results[0].verdict == second.groups[0].results[0].verdict


async def test_the_isolation_in_force_is_described(start_server):
    server = await start_server(config(workers=1))
    properties = server._slots["code"].scorer.describe().properties
    assert properties["isolation_level"] == capabilities().level.name.lower()


def test_an_unknown_language_is_refused():
    with pytest.raises(ConfigError, match="cobol"):
        CodeScorer("code", CodeConfig(language="cobol"), Path())
