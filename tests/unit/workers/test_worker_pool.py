"""The pool keeps its promises when workers hang, die or lie."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from rewardsvc_verifiers.workers import JobStatus, WorkerPool

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="needs Linux: worker processes and /proc"
)

JOBS = {
    name: f"worker_sample_jobs:{name}"
    for name in (
        "double", "spin", "big_integer", "hog", "fail", "die", "die_once", "announce_and_wait",
        "unsendable", "enormous", "environment", "open_descriptors", "impostor",
    )
}  # fmt: skip
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def sample_jobs_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


@pytest.fixture
def pool(sample_jobs_on_the_path: None) -> Iterator[WorkerPool]:
    with WorkerPool(size=2, time_limit_seconds=20.0, jobs=JOBS) as made:
        yield made


def wait_for(condition: Callable[[], Any]) -> Any:
    limit = monotonic() + PATIENCE
    while monotonic() < limit:
        found = condition()
        if found:
            return found
        sleep(0.005)
    raise AssertionError("the condition never held")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_runs_jobs_and_returns_their_values(pool: WorkerPool) -> None:
    futures = [pool.submit("double", number) for number in range(50)]
    results = [future.result(PATIENCE) for future in futures]
    assert [result.value for result in results] == [2 * number for number in range(50)]
    assert {result.status for result in results} == {JobStatus.OK}


def test_submit_from_many_threads(pool: WorkerPool) -> None:
    found: list[int] = []
    lock = threading.Lock()

    def work(start: int) -> None:
        for number in range(start, start + 20):
            value = pool.submit("double", number).result(PATIENCE).value
            with lock:
                found.append(value)

    threads = [threading.Thread(target=work, args=(100 * index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(found) == sorted(2 * (100 * i + j) for i in range(6) for j in range(20))


@pytest.mark.parametrize("job", ["spin", "big_integer"])
def test_a_job_that_runs_away_is_killed_and_the_worker_replaced(job: str) -> None:
    with WorkerPool(size=1, time_limit_seconds=20.0, jobs=JOBS) as pool:
        result = pool.submit(job, None, time_limit_seconds=0.2).result(PATIENCE)
        assert result.status is JobStatus.TIME_LIMIT
        assert pool.submit("double", 4).result(PATIENCE).value == 8


def test_time_in_the_queue_does_not_count(tmp_path: Path) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    with WorkerPool(size=1, time_limit_seconds=20.0, jobs=JOBS) as pool:
        first = pool.submit("announce_and_wait", {"started": str(started), "go": str(go)})
        waiting = [pool.submit("double", n, time_limit_seconds=0.5) for n in range(3)]
        wait_for(lambda: lines_of(started))
        sleep(0.6)  # longer than the limit of those that wait
        go.write_text("")
        assert first.result(PATIENCE).value == "done"
        assert [future.result(PATIENCE).value for future in waiting] == [0, 2, 4]


def test_memory_is_limited() -> None:
    with WorkerPool(size=1, time_limit_seconds=20.0, jobs=JOBS) as pool:
        assert pool.submit("hog", None).result(PATIENCE).status is JobStatus.MEMORY_LIMIT
        assert pool.submit("double", 1).result(PATIENCE).value == 2


def test_what_a_job_raises_is_data(pool: WorkerPool) -> None:
    result = pool.submit("fail", "x").result(PATIENCE)
    assert result.status is JobStatus.ERROR
    assert result.message == "ValueError: no good: x"


@pytest.mark.parametrize("job", ["unsendable", "enormous", "impostor"])
def test_answers_that_cannot_be_believed_are_errors(pool: WorkerPool, job: str) -> None:
    assert pool.submit(job, None).result(PATIENCE).status is JobStatus.ERROR
    assert pool.submit("double", 3).result(PATIENCE).value == 6


def test_a_worker_that_dies_twice_ends_the_job(pool: WorkerPool) -> None:
    assert pool.submit("die", None).result(PATIENCE).status is JobStatus.DIED
    assert pool.submit("double", 3).result(PATIENCE).value == 6


def test_a_job_survives_one_death_of_its_worker(pool: WorkerPool, tmp_path: Path) -> None:
    assert pool.submit("die_once", str(tmp_path / "mark")).result(PATIENCE).value == "survived"


@pytest.mark.parametrize("victim", [0, 1], ids=["worker", "zygote"])
def test_a_kill_from_outside_loses_no_job(pool: WorkerPool, tmp_path: Path, victim: int) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    future = pool.submit("announce_and_wait", {"started": str(started), "go": str(go)})
    pids = wait_for(lambda: lines_of(started))[0].split()
    os.kill(int(pids[victim]), signal.SIGKILL)
    wait_for(lambda: len(lines_of(started)) == 2)
    go.write_text("")
    assert future.result(PATIENCE).value == "done"
    assert pool.submit("double", 3).result(PATIENCE).value == 6


def test_workers_see_neither_the_environment_nor_other_descriptors(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "1")
    names = pool.submit("environment", None).result(PATIENCE).value
    assert "SECRET_OF_THE_SERVICE" not in names
    # stdin, stdout, stderr, its socket, and the directory being listed.
    assert pool.submit("open_descriptors", None).result(PATIENCE).value == 5


def test_close_is_idempotent_and_leaks_nothing(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    pool = WorkerPool(size=3, time_limit_seconds=20.0, jobs=JOBS)
    started = tmp_path / "started"
    running = pool.submit(
        "announce_and_wait", {"started": str(started), "go": str(tmp_path / "never")}
    )
    wait_for(lambda: lines_of(started))
    pids = pool.processes()
    queued = [pool.submit("spin", None) for _ in range(5)]
    pool.close()
    pool.close()
    assert running.result(PATIENCE).status is JobStatus.UNAVAILABLE
    assert {future.result(PATIENCE).status for future in queued} == {JobStatus.UNAVAILABLE}
    wait_for(lambda: not any(alive(pid) for pid in pids))
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit("double", 1)


def test_a_waiting_job_can_be_cancelled(tmp_path: Path) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    with WorkerPool(size=1, time_limit_seconds=20.0, jobs=JOBS) as pool:
        first = pool.submit("announce_and_wait", {"started": str(started), "go": str(go)})
        wait_for(lambda: lines_of(started))
        waiting = pool.submit("double", 1)
        assert waiting.cancel()
        go.write_text("")
        assert first.result(PATIENCE).value == "done"
        assert pool.submit("double", 2).result(PATIENCE).value == 4


def test_a_table_that_cannot_be_imported_is_told() -> None:
    with WorkerPool(size=1, jobs={"x": "no_such_module_at_all:f"}) as pool:
        result = pool.submit("x", None).result(PATIENCE)
        assert result.status is JobStatus.UNAVAILABLE
        assert "no_such_module_at_all" in result.message


def test_wrong_use_is_told(pool: WorkerPool) -> None:
    with pytest.raises(KeyError, match="double"):
        pool.submit("nonsense", None)
    with pytest.raises(ValueError, match="JSON"):
        pool.submit("double", {1, 2})
    with pytest.raises(ValueError, match="size"):
        WorkerPool(size=0)
    with pytest.raises(ValueError, match="time_limit_seconds"):
        WorkerPool(time_limit_seconds=0)
    with pytest.raises(ValueError, match="memory_limit_bytes"):
        WorkerPool(memory_limit_bytes=1)


def test_workers_are_replaced_after_their_share_of_jobs() -> None:
    with WorkerPool(size=1, time_limit_seconds=20.0, jobs=JOBS, jobs_per_worker=2) as pool:
        assert [pool.submit("double", n).result(PATIENCE).value for n in range(7)] == [
            2 * n for n in range(7)
        ]


async def test_the_event_loop_runs_on_while_a_job_runs_away() -> None:
    with WorkerPool(size=1, time_limit_seconds=20.0, jobs=JOBS) as pool:
        future = asyncio.wrap_future(pool.submit("big_integer", None, time_limit_seconds=0.5))
        ticks = 0
        while not future.done():
            await asyncio.sleep(0.005)
            ticks += 1
        assert (await future).status is JobStatus.TIME_LIMIT
        assert ticks > 20


_PARENT = """
import os, signal, sys, time
from rewardsvc_verifiers.workers import WorkerPool
pool = WorkerPool(size=2, time_limit_seconds=1000, jobs={"spin": "worker_sample_jobs:spin"})
pool.submit("spin", None)
while len(pool.processes()) < 3:
    time.sleep(0.005)
print(*pool.processes(), flush=True)
time.sleep(1000)
"""


def test_processes_end_with_their_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 3 and all(alive(pid) for pid in pids)
    parent.kill()
    parent.wait(PATIENCE)
    parent.stdout.close()
    wait_for(lambda: not any(alive(pid) for pid in pids))


def test_a_forked_child_cannot_use_the_pool(pool: WorkerPool) -> None:
    assert pool.submit("double", 1).result(PATIENCE).value == 2
    code = (
        "import os, sys\n"
        "from rewardsvc_verifiers.workers import WorkerPool\n"
        "pool = WorkerPool(size=1, jobs={'double': 'worker_sample_jobs:double'},\n"
        "                  time_limit_seconds=20)\n"
        "assert pool.submit('double', 1).result(60).value == 2\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try:\n"
        "        pool.submit('double', 1)\n"
        "    except RuntimeError:\n"
        "        os._exit(7)\n"
        "    os._exit(1)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7\n"
        "assert pool.submit('double', 2).result(60).value == 4\n"
        "pool.close()\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
