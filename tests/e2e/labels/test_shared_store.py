"""Two server processes on one store: fitted on one, in force on the other without a restart."""

from __future__ import annotations

import asyncio

import pytest
from fixtures.processes import ServerProcess
from fixtures.stores import KINDS, new_store

from rewardsvc import AsyncClient, Sample

CONFIG = """
server: {{store: "{store}"}}
scorers: {{boxed: {{kind: format, boxed_answer: true}}}}
rewards: {{boxed: {{components: [{{scorer: boxed, calibration: {{method: isotonic}}}}]}}}}
"""
SAMPLES = [Sample("p", r"\boxed{1}", sample_id="good"), Sample("p", "1", sample_id="bad")]


def labels(share_right, start=0):
    """40 labels: responses with a box are right in 9 of 10 cases, those without in a share."""
    return [
        {
            "sample_id": str(start + number),
            "value": float((number // 2) % 10 < (9 if number % 2 else share_right)),
            "score": float(number % 2),
        }
        for number in range(40)
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_one_fits_the_other_uses(tmp_path, kind):
    config = CONFIG.format(store=new_store(kind, tmp_path))
    servers = [ServerProcess(tmp_path, config) for _ in range(2)]
    try:
        for server in servers:
            server.ready()
        async with (
            AsyncClient(servers[0].address) as one,
            AsyncClient(servers[1].address) as other,
        ):
            versions = []
            for round_, share_right in enumerate((2, 4)):
                await one.record_labels("boxed", labels(share_right, 40 * round_))
                fitted = await one.fit_calibrator("boxed")
                versions.append(fitted.version)
                results = await _scored_with(other, fitted.version)
                expected = (2, 3)[round_] / 10
                assert [result.reward for result in results] == [
                    pytest.approx(0.9, abs=1e-5),
                    pytest.approx(expected, abs=1e-5),
                ]
            assert len(set(versions)) == 2
            # The old one stays readable, from either.
            old = await other.calibration("boxed", version=versions[0])
            assert (old.version, old.labels) == (versions[0], 40)
    finally:
        for server in servers:
            server.stop()


def test_a_server_without_its_database_says_so_and_ends(tmp_path):
    server = ServerProcess(tmp_path, CONFIG.format(store="postgresql://u:s3cret@127.0.0.1:1/db"))
    try:
        assert server.process.wait(60) == 2
        said = server.log.read_text()
        assert "server.store: the store at postgresql://u:***@127.0.0.1:1/db: " in said
        assert "s3cret" not in said and "Traceback" not in said
    finally:
        server.stop()


async def _scored_with(client, version):
    """Results made by that calibrator, once the server has it."""
    async with asyncio.timeout(60):
        while True:
            results = await client.score("boxed", SAMPLES)
            if results[0].versions.get("calibrator/boxed") == version:
                return results
            await asyncio.sleep(0.05)
