"""An engine process that works on many requests at a time: aborts, stalls, losses, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from rewardsvc.engines import EngineCallFailed, EngineCrashed, EngineProcess
from rewardsvc.errors import ConfigError

HERE = Path(__file__).parent
ENGINE = "toy_concurrent_engine:ToyConcurrentEngine"
Start = Callable[..., Any]


@pytest.fixture
async def start(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    monkeypatch.syspath_prepend(str(HERE))
    engines: list[EngineProcess] = []

    async def start_engine(
        options: dict[str, Any] | None = None, **settings: Any
    ) -> tuple[EngineProcess, dict[str, Any]]:
        settings = {"in_flight": 64, **settings}
        engine = EngineProcess("toy", ENGINE, options or {}, concurrent=True, **settings)
        engines.append(engine)
        return engine, await engine.start()

    yield start_engine
    for engine in engines:
        await engine.close()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (other processes have no event)
            await asyncio.sleep(0.01)


async def test_requests_overtake_each_other(start: Start) -> None:
    engine, _ = await start()
    waiting = [asyncio.create_task(engine.call({"do": "wait", "name": f"{n}"})) for n in range(40)]
    # Answered while 40 wait; opened last to first.
    assert (await engine.call({"do": "nothing", "name": "quick"}))["name"] == "quick"
    for n in reversed(range(40)):
        await engine.call({"do": "open", "name": f"{n}"})
    replies = await asyncio.gather(*waiting)
    assert [reply["name"] for reply in replies] == [f"{n}" for n in range(40)]


async def test_a_cancelled_call_is_given_up_in_the_engine(start: Start) -> None:
    engine, _ = await start(in_flight=2)
    cancelled = asyncio.create_task(engine.call({"do": "wait", "name": "cancelled"}))
    kept = asyncio.create_task(engine.call({"do": "wait", "name": "kept"}))
    queued = asyncio.create_task(engine.call({"do": "nothing", "name": "queued"}))
    await asyncio.sleep(0.05)
    assert not queued.done()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    # Its place is free, and the engine has been told.
    assert (await queued)["given_up"] == ["cancelled"]
    await engine.call({"do": "open", "name": "kept"})
    assert (await kept)["given_up"] == ["cancelled"]


async def test_a_raising_request_fails_alone(start: Start) -> None:
    engine, _ = await start()
    waiting = asyncio.create_task(engine.call({"do": "wait", "name": "other"}))
    with pytest.raises(EngineCallFailed, match="engine toy: ValueError: no luck"):
        await engine.call({"do": "raise"})
    await engine.call({"do": "open", "name": "other"})
    assert (await waiting)["name"] == "other"


async def test_start_says_what_is_wrong(start: Start) -> None:
    with pytest.raises(ConfigError, match="fault: bad"):
        await start({"fault": "bad"})


async def test_a_lost_engine_is_started_anew(start: Start) -> None:
    engine, _ = await start()
    waiting = asyncio.create_task(engine.call({"do": "wait"}))
    with pytest.raises(EngineCrashed, match="exited with code 1"):
        await engine.call({"do": "lose"})
    with pytest.raises(EngineCrashed):
        await waiting
    assert (await engine.call({"do": "nothing", "name": "again"}))["name"] == "again"
    assert engine.restarts == 1


async def test_a_hung_engine_is_ended_with_its_descendants(start: Start) -> None:
    engine, facts = await start({"descendant": True}, stall_seconds=2.0)
    descendant = facts["descendant"]
    assert alive(descendant)
    with pytest.raises(EngineCrashed, match="no answer for 2 s"):
        await engine.call({"do": "block"})
    await until(lambda: not alive(descendant))


async def test_a_request_that_waits_for_an_idle_engine_counts_as_a_stall(start: Start) -> None:
    """The loop lives, but nothing moves: vLLM's core may hang behind a healthy front."""
    engine, _ = await start(stall_seconds=2.5)
    with pytest.raises(EngineCrashed, match="no answer"):
        await engine.call({"do": "wait", "name": "for ever"})


async def test_slow_work_that_moves_is_no_stall(start: Start) -> None:
    engine, _ = await start(stall_seconds=2.5)
    assert await engine.call({"do": "work", "steps": 80})
    assert engine.restarts == 0


async def test_closing_ends_its_descendants(start: Start) -> None:
    engine, facts = await start({"descendant": True})
    await engine.close()
    await until(lambda: not alive(facts["descendant"]))


async def test_a_kill_of_the_server_ends_everything(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(HERE)!r})
from rewardsvc.engines import EngineProcess

async def main():
    engine = EngineProcess("toy", {ENGINE!r}, {{"descendant": True}}, concurrent=True)
    print((await engine.start())["descendant"], engine.pid, flush=True)
    await engine.call({{"do": "wait"}})

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(word) for word in (await parent.stdout.readline()).split()]
    assert all(alive(pid) for pid in pids)
    parent.kill()
    await parent.communicate()
    await until(lambda: not any(alive(pid) for pid in pids))


async def test_a_killed_engine_takes_its_descendants_along(start: Start) -> None:
    engine, facts = await start({"descendant": True})
    os.kill(engine.pid, signal.SIGKILL)
    await until(lambda: not alive(facts["descendant"]))


async def test_it_runs_with_the_interpreter_and_environment_it_is_given(
    start: Start, tmp_path: Path
) -> None:
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    path = os.pathsep.join(entry for entry in sys.path if entry)
    _, facts = await start(python=str(other), environment={"TOY": "yes", "PYTHONPATH": path})
    assert facts["python"] == str(other)
    assert facts["set"] == "yes"
