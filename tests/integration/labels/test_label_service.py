"""LabelService on a real server and socket, through both clients and the bare stub."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from fixtures.labelled import labels_of_scores
from fixtures.postgresql import new_server
from google.rpc import error_details_pb2, status_pb2

from rewardsvc import AsyncClient, Client, Retry, Sample, Status
from rewardsvc.errors import InvalidRequest, RewardServiceError, Unavailable, UnknownReward
from rewardsvc.labels.types import Label, LabelSource, NoiseRates, Recorded
from rewardsvc.server import label_servicer
from rewardsvc.store import labels as stored_labels
from rewardsvc.types import Outcome
from rewardsvc.v1 import label_service_pb2 as pb
from rewardsvc.v1 import label_service_pb2_grpc, result_pb2

CONFIG = """
server: {address: "127.0.0.1:0", store: "sqlite:///labels.db"}
scorers: {boxed: {kind: format, boxed_answer: true}}
rewards:
  calibrated: {components: [{scorer: boxed, calibration: {method: isotonic}}]}
  plain: {components: [{scorer: boxed}]}
"""
SAMPLES = [Sample("p", r"\boxed{1}", sample_id="good"), Sample("p", "1", sample_id="bad")]


def truth_of_boxes(count=120, accepted_right=0.9, rejected_right=0.2):
    """Labels of the format scorer: of 10 with a box 9 are right, of 10 without one 2."""
    labels = []
    for number in range(count):
        accepted = number % 2 == 0
        share = accepted_right if accepted else rejected_right
        right = (number // 2) % 10 < 10 * share
        labels.append({"sample_id": str(number), "value": float(right), "score": float(accepted)})
    return labels


@pytest.fixture
async def server(start_server):
    return await start_server(CONFIG)


@pytest.fixture
async def client(server):
    async with AsyncClient(server.address, retry=Retry(attempts=2)) as opened:
        yield opened


@pytest.fixture
async def stub(server):
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield label_service_pb2_grpc.LabelServiceStub(channel)


async def test_from_labels_to_calibrated_rewards(client):
    before = await client.score("calibrated", SAMPLES)
    assert [result.status for result in before] == [Status.ABSTAINED] * 2
    assert "record labels" in before[0].reason

    assert await client.record_labels("calibrated", truth_of_boxes()) == Recorded(120, 0)
    fitted = await client.fit_calibrator("calibrated")
    assert (fitted.labels, fitted.clusters, fitted.method) == (120, 120, "isotonic")

    good, bad = await client.score("calibrated", SAMPLES)
    assert good.reward == pytest.approx(0.9, abs=1e-5)
    assert bad.reward == pytest.approx(0.2, abs=1e-5)
    assert good.confidence.lower < 0.9 < good.confidence.upper
    assert good.versions["calibrator/boxed"] == fitted.version
    assert (await client.score("plain", SAMPLES))[0].reward == 1.0

    assert await client.calibration("calibrated") == fitted
    assert await client.calibration("calibrated", version=fitted.version) == fitted
    assert fitted.curve[0].probability == pytest.approx(0.2)
    assert fitted.fitted_at.tzinfo is not None


async def test_the_synchronous_client(server):
    def use():
        with Client(server.address) as client:
            recorded = client.record_labels("calibrated", iter(truth_of_boxes()))
            fitted = client.fit_calibrator("calibrated", method="histogram")
            assert client.calibration("calibrated") == fitted
            return recorded, fitted.method, client.noise_rates("calibrated")

    recorded, method, rates = await asyncio.to_thread(use)
    assert (recorded, method) == (Recorded(120, 0), "histogram")
    assert isinstance(rates, NoiseRates)


async def test_many_labels_go_in_several_requests_and_again_without_harm(client, server):
    labels = labels_of_scores(12_001)
    assert await client.record_labels("plain", labels) == Recorded(12_001, 0)
    assert await client.record_labels("plain", labels) == Recorded(12_001, 0)
    calls = server.metrics.registry.get_sample_value(
        "grpc_server_handled_total",
        {"grpc_method": "/rewardsvc.v1.LabelService/RecordLabels", "grpc_code": "OK"},
    )
    assert calls == 6


async def test_every_field_of_a_label_arrives(client, server):
    label = Label(
        "a",
        0.5,
        -1.5,
        LabelSource.ORACLE,
        "prompt",
        Outcome.INCORRECT,
        "symbolic",
        "interval",
        "algebra",
        0.05,
    )
    await client.record_labels("plain", [label])
    (row,) = await server._learning.database.read(
        lambda connection: stored_labels.labels_of(connection, "plain", "boxed")
    )
    assert row == stored_labels.LabelRow(
        "a",
        "oracle",
        "prompt",
        0.5,
        -1.5,
        "incorrect",
        "symbolic",
        "interval",
        "algebra",
        0.05,
    )


async def test_errors_name_the_field(stub):
    wrong = [
        pb.Label(sample_id="a", value=2, source=pb.LABEL_SOURCE_PERSON, inclusion_probability=1),
        pb.Label(sample_id="b", value=float("nan"), source=pb.LABEL_SOURCE_ORACLE),
    ]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.RecordLabels(pb.RecordLabelsRequest(reward="plain", labels=wrong))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert _fields(caught.value) == [
        "labels[0].value",
        "labels[1].value",
        "labels[1].inclusion_probability",
    ]


@pytest.mark.parametrize(
    ("label", "field"),
    [
        (pb.Label(sample_id="a", inclusion_probability=1), "labels[0].source"),
        (
            pb.Label(sample_id="a", source=1, inclusion_probability=1, outcome=99),
            "labels[0].outcome",
        ),
        (pb.Label(source=1, inclusion_probability=1), "labels[0].sample_id"),
        (
            pb.Label(sample_id="a\0b", source=1, inclusion_probability=1),
            "labels[0].sample_id",
        ),
        (
            pb.Label(sample_id="a", source=1, inclusion_probability=1, score=float("-inf")),
            "labels[0].score",
        ),
    ],
)
async def test_a_label_that_cannot_be(stub, label, field):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.RecordLabels(pb.RecordLabelsRequest(reward="plain", labels=[label]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert _fields(caught.value) == [field]


async def test_too_many_labels_in_one_request(stub, monkeypatch):
    monkeypatch.setattr(label_servicer, "MOST_LABELS", 2)
    labels = [
        pb.Label(
            sample_id=str(n), source=1, inclusion_probability=1, outcome=result_pb2.OUTCOME_CORRECT
        )
        for n in range(3)
    ]
    with pytest.raises(grpc.aio.AioRpcError, match="at most 2 a request"):
        await stub.RecordLabels(pb.RecordLabelsRequest(reward="plain", labels=labels))


async def test_wrong_labels_never_leave_the_client(client):
    for wrong, said in [
        ([{"sample_id": "a"}], r"labels\[0\].value: is missing"),
        ([{"sample_id": "a", "value": "1"}], r"labels\[0\].value: is '1'; must be a number"),
        ([{"sample_id": "a", "value": True}], "must be a number"),
        ([{"sample_id": "a", "value": 10**400}], "too large"),
        ([{"sample_id": 3, "value": 1}], "must be a text"),
        ([{"sample_id": "a", "value": 1, "scorre": 2}], "unknown key; allowed: sample_id"),
        ([{"sample_id": "a", "value": 1, "source": "human"}], "allowed: person, oracle, judge"),
        ([{"sample_id": "a", "value": 1, "outcome": "right"}], "allowed: correct, incorrect"),
        (["a"], "must be a Label or a mapping"),
    ]:
        with pytest.raises(InvalidRequest, match=said):
            await client.record_labels("plain", wrong)


async def test_names_that_are_not_there(client):
    with pytest.raises(UnknownReward, match="did you mean 'plain'"):
        await client.record_labels("plane", truth_of_boxes())
    with pytest.raises(UnknownReward, match="there are: calibrated, plain"):
        await client.record_labels("other", [])
    with pytest.raises(InvalidRequest, match="scorer: is 'box'"):
        await client.fit_calibrator("plain", scorer="box")
    with pytest.raises(RewardServiceError, match="has no calibrator") as caught:
        await client.calibration("plain")
    assert (caught.value.code, caught.value.reason) == ("NOT_FOUND", "CALIBRATION_UNKNOWN")
    with pytest.raises(RewardServiceError, match="none is stored") as caught:
        await client.fit_calibrator("plain")
    assert caught.value.code == "FAILED_PRECONDITION"
    assert caught.value.reason == "LABELS_INSUFFICIENT"
    await client.record_labels("plain", truth_of_boxes(count=4))
    with pytest.raises(RewardServiceError, match="at least 20") as caught:
        await client.fit_calibrator("plain")
    assert caught.value.reason == "CALIBRATION_FAILED"


async def test_a_server_without_a_store_says_so(start_server):
    server = await start_server(
        'server: {address: "127.0.0.1:0"}\n'
        "scorers: {one: {kind: constant, value: 1}}\n"
        "rewards: {one: {components: [{scorer: one}]}}"
    )
    async with AsyncClient(server.address) as client:
        for call in (
            client.record_labels("one", [Label("a", 1.0)]),
            client.fit_calibrator("one"),
            client.calibration("one"),
            client.noise_rates("one"),
        ):
            with pytest.raises(RewardServiceError, match=r"no server\.store") as caught:
                await call
            assert caught.value.reason == "STORE_NOT_CONFIGURED"


async def test_scoring_goes_on_while_the_store_is_down(start_server, tmp_path):
    postgres = new_server()
    try:
        address = postgres.new_database()
        server = await start_server(CONFIG.replace("sqlite:///labels.db", address))
        async with AsyncClient(server.address, retry=Retry(attempts=1)) as client:
            await client.record_labels("calibrated", truth_of_boxes())
            fitted = await client.fit_calibrator("calibrated")
            postgres.stop()
            with pytest.raises(Unavailable, match="the store at postgresql://"):
                await client.record_labels("calibrated", truth_of_boxes())
            book = server._learning.book
            assert not await book.refresh()
            good, _ = await client.score("calibrated", SAMPLES)
            assert good.status is Status.OK
            assert good.versions["calibrator/boxed"] == fitted.version
            postgres.start()
            assert await book.refresh()
            assert await client.calibration("calibrated") == fitted
    finally:
        postgres.remove()


async def test_a_restarted_server_knows_what_was_fitted(start_server):
    first = await start_server(CONFIG)
    async with AsyncClient(first.address) as client:
        await client.record_labels("calibrated", truth_of_boxes())
        fitted = await client.fit_calibrator("calibrated")
    await first.close()
    second = await start_server(CONFIG)
    async with AsyncClient(second.address) as client:
        good, _ = await client.score("calibrated", SAMPLES)
        assert good.versions["calibrator/boxed"] == fitted.version


def _fields(error: grpc.aio.AioRpcError) -> list[str]:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    bad_request = error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(details).details:
        if detail.Unpack(bad_request):
            return [violation.field for violation in bad_request.field_violations]
    return []
