"""From groups to engine requests: each sample in its place, each refusal with its reason."""

from __future__ import annotations

from rewardsvc.scorers.model_requests import model_request, reference_texts
from rewardsvc.types import (
    Chat,
    ChatMessage,
    Group,
    Reference,
    Response,
    Score,
    Status,
    TokenIds,
)

IDS = TokenIds(b"\1\0\0\0", "h")
OTHER = TokenIds(b"\2\0\0\0", "other")


def group(prompt: object, *texts: object, reference: Reference | None = None) -> Group:
    responses = tuple(Response(str(i), text) for i, text in enumerate(texts))  # type: ignore[arg-type]
    return Group("g", prompt, responses, reference)  # type: ignore[arg-type]


def test_text_and_token_ids_keep_their_places() -> None:
    groups = [
        group("q", "a", IDS, "b"),
        group(IDS, "c", IDS, OTHER),
        group(Chat((ChatMessage("system", "s"), ChatMessage("user", "q"))), "d"),
    ]
    request = model_request(groups, with_references=False)
    assert request.groups == [
        {"messages": [["user", "q"]], "responses": ["a", "b"]},
        {"ids": b"\1\0\0\0", "hash": "h", "responses": [b"\1\0\0\0"]},
        {"messages": [["system", "s"], ["user", "q"]], "responses": ["d"]},
    ]
    assert request.positions == [0, 2, 4, 6]
    assert sorted(request.refusals) == [1, 3, 5]
    assert request.refusals[5] == "the tokenizer hashes of prompt and response differ"
    scores = [Score(Status.OK, float(position)) for position in request.positions]
    arranged = request.arrange(scores, groups)
    assert [[score.value for score in row] for row in arranged] == [
        [0.0, None, 2.0],
        [None, 4.0, None],
        [6.0],
    ]
    assert "both be text" in arranged[0][1].reason


def test_references_come_with_their_responses() -> None:
    both = Reference(answers=("1", "2"), response="one")
    own = Response("own", "b", Reference(answers=("3",)))
    groups = [Group("g", "q", (Response("a", "a"), own), both), group("q", "c"), group(IDS, IDS)]
    request = model_request(groups, with_references=True)
    assert request.groups[0]["references"] == [["one"], ["3"]]
    assert request.positions == [0, 1]
    assert request.refusals[2] == "needs a reference: a full response, or answers"
    assert "needs text" in request.refusals[3]
    first = model_request(groups, with_references=True, answers_first=True)
    assert first.groups[0]["references"] == [["1", "2"], ["3"]]
    assert reference_texts(None) == [] == reference_texts(Reference())


def test_an_empty_batch_asks_nothing() -> None:
    request = model_request([group("q", IDS)], with_references=False)
    assert request.groups == [] and sorted(request.refusals) == [0]
