"""The engine process: errors at start, crashes, stalls, restarts, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from rewardsvc.engines import EngineCallFailed, EngineCrashed, EngineDown, EngineProcess
from rewardsvc.errors import ConfigError

ENGINES = Path(__file__).parent


@pytest.fixture
async def start(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    monkeypatch.syspath_prepend(str(ENGINES))
    engines: list[EngineProcess] = []

    async def start_engine(options: dict[str, Any] | None = None, **settings: Any) -> EngineProcess:
        engine = EngineProcess("toy", "toy_engine:ToyEngine", options or {}, **settings)
        engines.append(engine)
        assert (await engine.start())["greeting"] == "hello"
        return engine

    yield start_engine
    for engine in engines:
        await engine.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (files and other processes have no event)
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def test_replies_reach_their_calls(start: Callable[..., Any]) -> None:
    engine = await start()
    replies = await asyncio.gather(*(engine.call({"double": n}) for n in range(50)))
    assert replies == [2 * n for n in range(50)]
    large = b"x" * 5_000_000
    assert await engine.call({"echo": large}) == large


async def test_the_next_request_is_prepared_while_one_runs(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    engine = await start(in_flight=2)
    running, prepared = tmp_path / "running", tmp_path / "prepared"
    # The first call runs until the second is being prepared, which it is only meanwhile.
    first = asyncio.create_task(engine.call({"touch": str(running), "wait_for": str(prepared)}))
    await until(running.exists)
    second = asyncio.create_task(engine.call({"touch_in_prepare": str(prepared)}))
    async with asyncio.timeout(30):
        assert await first == await second == "done"


async def test_a_raising_engine_fails_that_call_only(start: Callable[..., Any]) -> None:
    engine = await start()
    pid = engine.pid
    for where in ("raise_in_prepare", "raise_in_run"):
        with pytest.raises(EngineCallFailed, match=f"engine toy: ValueError: {where}"):
            await engine.call({where: True})
    assert await engine.call({"double": 4}) == 8
    assert engine.pid == pid


async def test_start_says_what_is_wrong_with_the_configuration(
    start: Callable[..., Any],
) -> None:
    with pytest.raises(ConfigError, match="greeting: must be hello"):
        await start({"fault": "config"})


async def test_other_failures_to_start_are_named(start: Callable[..., Any]) -> None:
    with pytest.raises(EngineDown, match="failed to start: RuntimeError: no luck"):
        await start({"fault": "raise"})
    with pytest.raises(EngineDown, match="exited with code 3 while starting"):
        await start({"fault": "exit"})
    with pytest.raises(EngineDown, match=r"did not start within 0\.5 s"):
        await start({"fault": "hang"}, start_seconds=0.5)
    with pytest.raises(EngineDown, match="TypeError"):
        await start({"unknown_option": 1})


async def test_a_kill_fails_the_calls_in_it_and_the_next_call_succeeds(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    engine = await start()
    running = tmp_path / "running"
    call = asyncio.create_task(
        engine.call({"touch": str(running), "wait_for": str(tmp_path / "never")})
    )
    await until(running.exists)
    old = engine.pid
    os.kill(old, signal.SIGKILL)
    with pytest.raises(EngineCrashed, match="engine toy was killed by SIGKILL"):
        await call
    assert await engine.call({"double": 3}) == 6
    assert engine.pid != old
    assert engine.restarts == 1


async def test_an_exit_is_named_with_its_code(start: Callable[..., Any]) -> None:
    engine = await start()
    with pytest.raises(EngineCrashed, match="exited with code 7"):
        await engine.call({"exit": 7})
    assert await engine.call({"double": 1}) == 2


async def test_a_stall_is_ended(start: Callable[..., Any], tmp_path: Path) -> None:
    engine = await start(stall_seconds=0.5)
    with pytest.raises(EngineCrashed, match=r"was killed: no answer for 0\.5 s"):
        await engine.call({"wait_for": str(tmp_path / "never")})
    assert await engine.call({"double": 1}) == 2


async def test_a_process_that_stops_reading_is_ended(start: Callable[..., Any]) -> None:
    engine = await start(stall_seconds=0.5)
    os.kill(engine.pid, signal.SIGSTOP)
    with pytest.raises(EngineCrashed, match="no answer"):
        await engine.call({"echo": b"x" * 20_000_000})
    assert await engine.call({"double": 1}) == 2


async def test_calls_fail_at_once_while_it_cannot_start_again(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    obstacle = tmp_path / "obstacle"
    engine = await start({"raise_if_exists": str(obstacle)})
    obstacle.touch()
    with pytest.raises(EngineCrashed):
        await engine.call({"exit": 1})
    with pytest.raises(EngineDown, match="is down: engine toy failed to start") as caught:
        await engine.call({"double": 1})
    assert caught.value.retry_after_seconds > 0
    obstacle.unlink()
    await until(lambda: engine.pid is not None)
    assert await engine.call({"double": 1}) == 2


async def test_closing_kills_and_fails_what_is_running(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    engine = await start()
    pid, running = engine.pid, tmp_path / "running"
    call = asyncio.create_task(
        engine.call({"touch": str(running), "wait_for": str(tmp_path / "never")})
    )
    await until(running.exists)
    await engine.close()
    await engine.close()
    with pytest.raises(EngineDown, match="was closed"):
        await call
    with pytest.raises(EngineDown, match="is down: it was closed"):
        await engine.call({"double": 1})
    assert not alive(pid)


async def test_a_cancelled_call_leaves_the_engine_usable(start: Callable[..., Any]) -> None:
    engine = await start()
    call = asyncio.create_task(engine.call({"double": 1}))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await engine.call({"double": 2}) == 4


async def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(ENGINES)!r})
from rewardsvc.engines import EngineProcess

async def main():
    engine = EngineProcess("toy", "toy_engine:ToyEngine", {{}})
    await engine.start()
    print(engine.pid, flush=True)
    await engine.call({{"wait_for": {str(tmp_path / "never")!r}}})

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert alive(child)
    parent.kill()
    await parent.communicate()
    await until(lambda: not alive(child))
