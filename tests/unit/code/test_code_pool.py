"""The queue: deadlines apart from execution, cancellation, closing; and bad arguments."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest
from rewardsvc_verifiers.code import CodeVerifier, Limits, TestSuite
from rewardsvc_verifiers.code.pool import WorkerPool
from rewardsvc_verifiers.code.workers import BytesCache


@pytest.fixture
def pool():
    made: WorkerPool[str, str] = WorkerPool(1, lambda: "tools", lambda tools: None)
    yield made
    made.close()


def test_an_item_that_waited_too_long_is_answered_at_once(pool) -> None:
    release, running = threading.Event(), threading.Event()
    first = pool.submit(
        lambda tools: (running.set(), release.wait(30), "done")[2], expired=lambda: "expired",
        queue_seconds=0.001,
    )  # fmt: skip
    assert running.wait(30)
    second = pool.submit(lambda tools: "done", expired=lambda: "expired", queue_seconds=0.01)
    # The worker is still busy: only the queue's own clock can have answered.
    assert second.result(timeout=30) == "expired"
    release.set()
    assert first.result(timeout=30) == "done"  # its time in the queue was over before it ran out


def test_cancelled_items_are_dropped_and_errors_reach_the_caller(pool) -> None:
    release = threading.Event()
    pool.submit(lambda tools: release.wait(30), expired=bool)
    waiting = pool.submit(lambda tools: "done", expired=str)
    assert waiting.cancel()
    failing = pool.submit(lambda tools: 1 / 0, expired=str)
    release.set()
    with pytest.raises(ZeroDivisionError):
        failing.result(timeout=30)


def test_closing_cancels_what_waits() -> None:
    pool: WorkerPool[None, bool] = WorkerPool(1, lambda: None, lambda tools: None)
    release, running = threading.Event(), threading.Event()
    first = pool.submit(lambda tools: (running.set(), release.wait(30))[1], expired=bool)
    assert running.wait(30)
    second = pool.submit(lambda tools: True, expired=bool)
    closer = threading.Thread(target=pool.close)
    closer.start()
    with pytest.raises(CancelledError):
        second.result(timeout=30)
    release.set()
    closer.join()
    assert first.result(timeout=30)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(lambda tools: True, expired=bool)


def test_the_cache_forgets_what_was_not_used() -> None:
    cache = BytesCache(10)
    cache.put("a", b"12345")
    cache.put("b", b"12345")
    assert cache.get("a")
    cache.put("c", b"12345")
    assert cache.get("b") is None
    assert cache.get("a")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Limits(cpu_seconds=0), "cpu_seconds"),
        (lambda: Limits(cpu_seconds=2, wall_seconds=1), "wall_seconds"),
        (lambda: Limits(memory_bytes=1), "memory_bytes"),
        (lambda: TestSuite.stdio([]), "at least one test"),
        (lambda: TestSuite.stdio([("", "")], extraction="x"), "extraction"),
        (lambda: TestSuite.function("f", [([1], 1)], language="cpp"), "stdio tests only"),
        (lambda: TestSuite.function("f", [([object()], 1)]), "not plain data"),
        (lambda: CodeVerifier(workers=0), "workers"),
    ],
)
def test_bad_arguments_name_the_field(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
