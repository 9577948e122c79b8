"""The synchronous client: from any thread, next to any loop, and its end."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from scripted_server import ScriptedServer

from rewardsvc import Client, Group, InvalidRequest, Response, Sample, UnknownReward


@pytest.fixture(scope="module")
def server():
    """A scripted server in a loop of another thread, since tests here block theirs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    async def start():
        return await ScriptedServer().start()

    started = run(start())
    yield started
    run(started.stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def client(server):
    with Client(server.target) as connected:
        yield connected


def test_calls_work_without_a_loop(client):
    assert [r.reward for r in client.score("length", [Sample("p", "ab"), Sample("p", "c")])] == [
        2.0,
        1.0,
    ]
    groups = client.score_groups("length", [Group("g", "p", (Response("", "abc"),))])
    assert groups[0][0].reward == 3.0
    assert client.list_rewards()[0].name == "length"
    assert client.get_reward("length").version == "1"


async def test_calls_work_where_a_loop_is_running(client):
    assert client.score("length", [Sample("p", "ab")])[0].reward == 2.0


def test_threads_share_a_client(client, server):
    with ThreadPoolExecutor(16) as pool:
        rewards = list(
            pool.map(lambda n: client.score("length", [Sample("p", "x" * n)])[0].reward, range(200))
        )
    assert rewards == [float(n) for n in range(200)]


def test_streams_any_iterable(client):
    samples = (Sample("p", "x" * (n % 9), sample_id=f"s{n}") for n in range(5000))
    results = {s.sample_id: r.reward for s, r in client.stream("length", samples)}
    assert results == {f"s{n}": float(n % 9) for n in range(5000)}
    assert len(list(client.stream("length", [Sample("p", "x")] * 3))) == 3


def test_a_blocking_iterable_gets_results_as_it_goes(client):
    """Each sample is made after the result of the one before."""
    arrived = threading.Semaphore(1)

    def source():
        for n in range(20):
            assert arrived.acquire(timeout=30)
            yield Sample("p", "x" * n)

    rewards = []
    for _, result in client.stream("length", source()):
        rewards.append(result.reward)
        arrived.release()
    assert rewards == [float(n) for n in range(20)]


def test_leaving_a_stream_early_leaves_the_client_usable(client):
    endless = (Sample("p", "x") for _ in iter(int, 1))
    stream = client.stream("length", endless)
    next(stream)
    stream.close()
    assert client.score("length", [Sample("p", "ab")])[0].reward == 2.0


def test_errors_are_those_of_the_asynchronous_client(client):
    with pytest.raises(UnknownReward, match="there are: length"):
        client.score("lenght", [Sample("p", "x")])
    with pytest.raises(InvalidRequest, match=r"samples\[0\]\.response: is missing"):
        client.score("length", [{"prompt": "p"}])
    with pytest.raises(UnknownReward, match="there are: length"):
        list(client.stream("lenght", [Sample("p", "x")]))

    def broken():
        yield Sample("p", "x")
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(client.stream("length", broken()))


def test_closing_twice_is_fine_and_using_afterwards_is_not(server):
    client = Client(server.target)
    client.score("length", [Sample("p", "x")])
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.score("length", [Sample("p", "x")])
    Client(server.target).close()


def test_a_closed_client_leaves_no_thread(server):
    before = threading.active_count()
    with Client(server.target) as client:
        client.score("length", [Sample("p", "x")])
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_results_travel_between_processes(client):
    results = client.score("length", [Sample("p", "x", reference="1")])
    assert pickle.loads(pickle.dumps(results)) == results


PROGRAM = """
import os, sys
from rewardsvc import Client, Sample
client = Client(sys.argv[1])
if sys.argv[2] == "used":
    client.score("length", [Sample("p", "x")])
child = os.fork()
if child == 0:
    try:
        print(client.score("length", [Sample("p", "ab")])[0].reward, flush=True)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize(
    ("state", "printed"), [("unused", "2.0"), ("used", "make a Client in each process")]
)
def test_after_a_fork(server, state, printed):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, server.target, state],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "GRPC_VERBOSITY": "NONE"},
    )
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout


def test_a_program_that_forgets_to_close_ends_cleanly(server):
    program = (
        "import sys\nfrom rewardsvc import Client, Sample\n"
        "print(Client(sys.argv[1]).score('length', [Sample('p', 'ab')])[0].reward)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, server.target],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2.0\n", "")
