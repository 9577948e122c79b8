"""`score` and `score_groups` over a real socket: order, grouping, sizes, wrong input."""

from __future__ import annotations

import pytest

from rewardsvc import (
    AsyncClient,
    Group,
    InvalidRequest,
    MessageTooLarge,
    Reference,
    Response,
    Sample,
    Status,
    UnknownReward,
)


@pytest.fixture
async def client(server):
    async with AsyncClient(server.target) as connected:
        yield connected


async def test_results_come_in_the_order_given_and_prompts_travel_once(client, server):
    samples = [Sample(f"prompt {n % 3}", "x" * n, sample_id=f"s{n}") for n in range(10)]
    results = await client.score("length", samples)
    assert [r.reward for r in results] == [float(n) for n in range(10)]
    assert [r.sample_id for r in results] == [f"s{n}" for n in range(10)]
    assert [len(g.responses) for g in server.seen[0].groups] == [4, 3, 3]
    assert results[0].versions == {"reward": "1"}


async def test_references_reach_their_own_responses(client):
    samples = [
        Sample("p", "a", reference="1"),
        Sample("p", "b", reference=Reference(answers=("2", "3"))),
        Sample("p", "c"),
        {"prompt": "q", "response": "d", "reference": 18},
        {"prompt": "q", "response": "e", "reference": "18"},
    ]
    results = await client.score("length", samples)
    assert [r.reason for r in results] == ["1", "2|3", "", "18", "18"]


async def test_domains_are_kept_apart(client, server):
    await client.score("length", [Sample("p", "a", domain="x"), Sample("p", "b", domain="y")])
    assert {g.domain for g in server.seen[0].groups} == {"x", "y"}


async def test_an_empty_list_asks_nobody(client, server):
    assert await client.score("length", []) == []
    assert server.seen == []


async def test_empty_ids_are_numbered_around_those_that_exist(client):
    results = await client.score(
        "length", [Sample("p", "a", sample_id="1"), Sample("p", "b"), Sample("p", "c")]
    )
    assert [r.sample_id for r in results] == ["1", "1-1", "2"]


async def test_ten_thousand_samples_in_one_call(client, server):
    samples = [Sample(f"p{n // 8}", "x" * (n % 50), reference=str(n)) for n in range(10_000)]
    results = await client.score("length", samples)
    assert [r.reward for r in results] == [float(n % 50) for n in range(10_000)]
    assert [r.reason for r in results] == [str(n) for n in range(10_000)]
    assert {s.kind for s in server.seen} == {"ScoreStream"}
    assert max(s.samples for s in server.seen) <= 64


async def test_a_whole_group_stays_in_one_message(client, server):
    results = await client.score("length", [Sample("p", "x" * n) for n in range(300)])
    assert [r.reward for r in results] == [float(n) for n in range(300)]
    assert [s.samples for s in server.seen] == [300]


async def test_many_bytes_are_spread_over_messages_below_the_limit(client, server):
    samples = [Sample("p", "é" * 5_000_000, sample_id=str(n)) for n in range(9)]
    results = await client.score("length", samples)
    assert [r.reward for r in results] == [5e6] * 9
    assert sorted(s.samples for s in server.seen) == [3, 6]


async def test_one_sample_over_the_limit_is_named(client, server):
    with pytest.raises(MessageTooLarge, match=r"sample 'big'.*ScoreStream.*67,108,864"):
        await client.score("length", [Sample("p", "x" * (64 << 20), sample_id="big")])
    assert server.seen == []


async def test_the_servers_own_smaller_limit_is_reported(server):
    small = await type(server)().start(limit=100_000)
    async with AsyncClient(small.target) as client:
        with pytest.raises(MessageTooLarge, match="larger than max"):
            await client.score("length", [Sample("p", "x" * 200_000)])
        results = await client.score("length", [Sample("p", "x")])
    assert results[0].reward == 1.0
    await small.stop()


async def test_a_megabyte_and_nothing_at_all_are_responses(client):
    results = await client.score("length", [Sample("p", "x" * 1_000_000), Sample("p", "")])
    assert [r.reward for r in results] == [1e6, 0.0]
    assert all(r.status is Status.OK for r in results)


async def test_groups_keep_their_shape(client, server):
    groups = [
        Group("a", "same", (Response("", "x"), Response("", "xx"))),
        Group("b", "same", (Response("mine", "xxx", Reference(("7",))),), Reference(("8",))),
    ]
    results = await client.score_groups("length", groups)
    assert [[r.reward for r in group] for group in results] == [[1.0, 2.0], [3.0]]
    assert results[1][0].reason == "7" and results[1][0].sample_id == "mine"
    assert [len(g.responses) for g in server.seen[0].groups] == [2, 1]


async def test_an_unknown_reward_says_which_there_are(client):
    with pytest.raises(UnknownReward, match="there are: length"):
        await client.score("lenght", [Sample("p", "a")])
    with pytest.raises(UnknownReward, match="there are: length"):
        await client.get_reward("lenght")


async def test_rewards_are_listed(client):
    listed = await client.list_rewards()
    assert [r.name for r in listed] == ["length"]
    assert await client.get_reward("length") == listed[0]


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"prompt": "p"}, r"samples\[1\]\.response: is missing"),
        ({"prompt": "p", "response": "r", "answer": "4"}, r"samples\[1\]\.answer: is not a known"),
        ({"prompt": 3, "response": "r"}, r"samples\[1\]\.prompt: is 3 \(int\)"),
        ({"prompt": "p", "response": None}, r"samples\[1\]\.response: is null; must be a string"),
        ({"prompt": "p", "response": float("nan")}, r"samples\[1\]\.response: is nan \(float\)"),
        ({"prompt": "p", "response": "\ud800"}, r"samples\[1\]\.response: is not valid Unicode"),
        ({"prompt": [], "response": "r"}, r"samples\[1\]\.prompt: is an empty chat"),
        (
            {"prompt": [{"role": "robot", "content": "x"}], "response": "r"},
            r"samples\[1\]\.prompt\[0\]\.role: is 'robot' \(str\); allowed are system, user",
        ),
        ({"prompt": "p", "response": "r", "reference": 0.5}, r"samples\[1\]\.reference: is 0\.5"),
        ({"prompt": "p", "response": "r", "reference": []}, r"samples\[1\]\.reference: is \[\]"),
        (
            {"prompt": "p", "response": "r", "reference": {"answer": ["1"]}},
            r"samples\[1\]\.reference\.answer: is not a known key; allowed are answers",
        ),
        (
            {
                "prompt": "p",
                "response": "r",
                "reference": {"rubric": [{"name": "a", "weight": float("inf")}]},
            },
            r"rubric\[0\]\.weight: is inf; must be finite",
        ),
        ("just text", r"samples\[1\]: is 'just text' \(str\); must be a Sample"),
        (Sample("p", "r", sample_id="first"), r"'first' is also the id of samples\[0\]"),
    ],
)
async def test_wrong_samples_are_named_before_anything_is_sent(client, server, sample, message):
    with pytest.raises(InvalidRequest, match=message):
        await client.score("length", [Sample("p", "r", sample_id="first"), sample])
    assert server.seen == []
