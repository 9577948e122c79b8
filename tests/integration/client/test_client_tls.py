"""Encryption: one-sided and mutual, and a server that is not who it should be."""

from __future__ import annotations

import shutil
import subprocess

import grpc
import pytest
from scripted_server import ScriptedServer

from rewardsvc import AsyncClient, Retry, Sample, Tls, Unavailable
from rewardsvc.v1 import reward_service_pb2_grpc

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl makes the certificates"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate of rewards.test, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=rewards.test", "-addext", "subjectAltName=DNS:rewards.test"]
    made = ["-keyout", key, "-out", certificate, "-newkey", "ec", "-days", "2", "-nodes"]
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(
        ["openssl", "req", "-x509", *map(str, made), *curve, *names],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture(params=[False, True], ids=["one-sided", "mutual"])
async def secured(request, certificate):
    pem, key = (path.read_bytes() for path in certificate)
    servicer = ScriptedServer()
    server = grpc.aio.server()
    reward_service_pb2_grpc.add_RewardServiceServicer_to_server(servicer, server)
    credentials = grpc.ssl_server_credentials([(key, pem)], pem, request.param)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    yield f"127.0.0.1:{port}", servicer
    await server.stop(None)


async def test_samples_are_scored_over_tls_with_a_token(secured, certificate):
    target, servicer = secured
    tls = Tls(
        ca=certificate[0], cert=certificate[0], key=certificate[1], server_name="rewards.test"
    )
    async with AsyncClient(target, tls=tls, token="secret") as client:
        assert (await client.score("length", [Sample("p", "four")]))[0].reward == 4.0
        assert len(await client.score("length", [Sample(f"p{n}", "x") for n in range(200)])) == 200
    assert servicer.tokens == {"Bearer secret"}


async def test_a_server_under_another_name_is_refused(secured, certificate):
    target, servicer = secured
    retry = Retry(attempts=2, base_delay=0.01)
    tls = Tls(ca=certificate[0], server_name="other.test")
    async with AsyncClient(target, tls=tls, retry=retry) as client:
        with pytest.raises(Unavailable, match="gave up after 2 attempts"):
            await client.score("length", [Sample("p", "four")])
    assert servicer.seen == []


def test_half_a_pair_is_refused(certificate):
    with pytest.raises(ValueError, match=r"Tls\.cert and Tls\.key are given together"):
        Tls(cert=certificate[0])
