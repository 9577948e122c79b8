"""Health, readiness, reflection, metrics, draining, TLS and starting with a bad configuration."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

import grpc
import pytest
from fixtures.messages import group, request
from fixtures.observing import eventually, queue_depth
from fixtures.scripted import ScriptedScorer, config_for
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from rewardsvc.config import TlsConfig, parse_config
from rewardsvc.errors import ConfigError
from rewardsvc.server.app import SERVICE, RewardServer
from rewardsvc.v1 import reward_service_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def cold_server():
    """A server with an open port whose scorer has not loaded yet."""
    scorer = ScriptedScorer()
    scorer.warm.clear()
    server = RewardServer(config_for(scorer))
    await server.open()
    yield server, scorer
    await server.close()


async def health(server: RewardServer, service: str) -> int:
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status


async def test_alive_at_once_and_ready_only_when_every_scorer_is_warm(cold_server, connect):
    server, scorer = cold_server
    assert await health(server, "") == SERVING
    assert await health(server, SERVICE) == NOT_SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await connect(server).Score(request("scripted", group("a")))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "still loading" in caught.value.details()
    scorer.warm.set()
    await server.warm_up()
    assert await health(server, SERVICE) == SERVING
    assert (await connect(server).Score(request("scripted", group("a")))).groups


async def test_draining_finishes_what_was_accepted(start_server, connect):
    scorer = ScriptedScorer(open_gate=False)
    server = await start_server(config_for(scorer))
    stub = connect(server)
    calls = [stub.Score(request("scripted", group("a", group_id=str(n)))) for n in range(5)]
    await eventually(lambda: len(scorer.seen) + queue_depth(server) == 5)
    async with grpc.aio.insecure_channel(server.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service=SERVICE)
        )
        assert (await watch.read()).status == SERVING
        draining = asyncio.create_task(server.drain())
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()
    assert not draining.done()
    scorer.gate.set()
    assert [len((await call).groups) for call in calls] == [1] * 5
    await draining


async def test_reflection_lists_the_service(start_server):
    server = await start_server(config_for(ScriptedScorer()))
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in stub.ServerReflectionInfo(iter([asked])):
            names = {service.name for service in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names


async def test_metrics_tell_of_calls_samples_and_batches(start_server, connect):
    server = await start_server(
        config_for(ScriptedScorer(), metrics_address=f"127.0.0.1:{free_port()}")
    )
    await connect(server).Score(request("scripted", group("a", "b")))
    address = server._config.server.metrics_address
    page = await asyncio.to_thread(
        lambda: urllib.request.urlopen(f"http://{address}/metrics").read().decode()
    )
    method = 'grpc_method="/rewardsvc.v1.RewardService/Score"'
    assert f'grpc_server_handled_total{{grpc_code="OK",{method}}} 1.0' in page
    assert 'rewardsvc_samples_total{reward="scripted",status="ok"} 2.0' in page
    assert 'rewardsvc_batch_samples_sum{scorer="scripted"} 2.0' in page
    assert 'rewardsvc_queue_depth{scorer="scripted"} 0.0' in page
    assert "rewardsvc_inference_seconds_count" in page
    fact = 'property="version",scorer="scripted",value="scripted-1"'
    assert f"rewardsvc_scorer_property{{{fact}}} 1.0" in page


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder: Path, name: str) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
async def test_tls(tmp_path):
    for name in ("server", "stranger"):
        await asyncio.to_thread(make_certificate, tmp_path, name)
    tls = TlsConfig(certificate=tmp_path / "server.pem", key=tmp_path / "server.key")
    server = RewardServer(config_for(ScriptedScorer(), address="localhost:0", tls=tls))
    await server.open()
    await server.warm_up()
    try:
        for name, trusted in (("server", True), ("stranger", False)):
            credentials = grpc.ssl_channel_credentials((tmp_path / f"{name}.pem").read_bytes())
            async with grpc.aio.secure_channel(server.address, credentials) as channel:
                call = reward_service_pb2_grpc.RewardServiceStub(channel).Score(
                    request("scripted", group("a")), timeout=10
                )
                if trusted:
                    assert (await call).groups
                else:
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await call
                    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        await server.close()


async def test_a_port_that_is_taken_is_a_configuration_error(start_server):
    server = await start_server(config_for(ScriptedScorer()))
    second = RewardServer(config_for(ScriptedScorer(), address=server.address))
    with pytest.raises(ConfigError, match=f"cannot listen on {server.address}"):
        await second.open()
    await second.close()


def test_what_is_wrong_with_a_scorer_is_found_before_any_port_opens(tmp_path):
    config = parse_config(
        """
        scorers: {judges: {kind: ensemble, directory: nowhere}}
        rewards: {helpful: {components: [{scorer: judges}]}}
        """,
        source="test.yaml",
        base_path=tmp_path,
    )
    with pytest.raises(ConfigError, match=r"test\.yaml: scorers\.judges: .*nowhere"):
        RewardServer(config)


async def test_a_scorer_that_cannot_load_ends_the_start(tmp_path):
    scorer = ScriptedScorer()

    async def start() -> None:
        raise ConfigError("weights: torn")

    scorer.start = start
    server = RewardServer(config_for(scorer))
    await server.open()
    try:
        with pytest.raises(ConfigError, match="weights: torn"):
            await server.warm_up()
        assert await health(server, SERVICE) == NOT_SERVING
    finally:
        await server.close()
