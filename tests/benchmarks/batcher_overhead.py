"""What batching costs: CPU time from submit to result, with a scorer that does nothing.

    python tests/benchmarks/batcher_overhead.py [--seconds 1.0]

Each shape is callers x samples: so many tasks submit one group of so many samples each, wait,
read the results, and start over. Printed is CPU time of this process, so that other load on
the machine hardly matters; the floor is the same with one bare future in place of a batcher.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from rewardsvc.batching import Batcher
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Group, Response, Score, Status

SHAPES = ((1, 1), (8, 8), (64, 1), (1, 64), (64, 64))
LARGE = ((10_000, 1), (1, 10_000), (1_000, 64))
SCORE = Score(Status.OK, 1.0)


async def constant(groups: Sequence[Group]) -> list[tuple[Score, ...]]:
    return [(SCORE,) * len(group.responses) for group in groups]


def weigh(group: Group) -> list[int]:
    return [16] * (1 + len(group.responses))


def group_of(samples: int) -> Group:
    return Group("g", "prompt", tuple(Response(str(i), "response") for i in range(samples)))


async def cpu_per_call(callers: int, seconds: float, call: Callable[[], Awaitable[None]]) -> float:
    """CPU seconds of one call, with so many callers at a time."""
    calls = 0
    end = time.monotonic() + seconds

    async def caller() -> None:
        nonlocal calls
        while time.monotonic() < end:
            for _ in range(16):
                await call()
            calls += 16

    before = time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return (time.process_time() - before) / calls


async def shape(callers: int, samples: int, seconds: float) -> None:
    batcher = Batcher("constant", constant, weigh, BatchLimits())
    groups = [group_of(samples)]
    loop = asyncio.get_running_loop()

    async def through_batcher() -> None:
        deadline = loop.time() + 30.0
        with batcher.submit(groups, tenant="trainer", deadline=deadline) as ticket:
            await ticket.wait(deadline)
            ticket.results()

    async def floor() -> None:
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future
        await constant(groups)

    whole = await cpu_per_call(callers, seconds, through_batcher)
    bare = await cpu_per_call(callers, seconds, floor)
    print(
        f"{callers:>6} x {samples:<6} {whole * 1e6:>10.1f} {whole * 1e6 / samples:>12.2f}"
        f" {bare * 1e6:>10.1f} {whole / bare:>8.1f}"
    )


async def large(count: int, samples: int) -> None:
    """How long one large submission holds the event loop, and what all of it costs."""
    batcher = Batcher("constant", constant, weigh, BatchLimits())
    groups = [group_of(samples) for _ in range(count)]
    started = time.process_time()
    with batcher.submit(groups) as ticket:
        submitted = time.process_time()
        longest, before = 0.0, time.process_time()
        while not ticket.done:
            await asyncio.sleep(0)
            now = time.process_time()
            longest, before = max(longest, now - before), now
        scores = ticket.results()
        ended = time.process_time()
    assert sum(len(group.scores) for group in scores) == count * samples
    total = ended - started
    print(
        f"{count:>6} x {samples:<6} {(submitted - started) * 1e3:>10.1f} {longest * 1e3:>12.2f}"
        f" {(ended - now) * 1e3:>10.1f} {total * 1e6 / count / samples:>12.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="for each shape")
    parser.add_argument("--uvloop", action="store_true", help="run on uvloop, as the server does")
    arguments = parser.parse_args()
    if arguments.uvloop:
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    print("callers x samples   µs/submit    µs/sample   floor µs    ratio")
    for callers, samples in SHAPES:
        asyncio.run(shape(callers, samples, arguments.seconds))
    print("\n groups x samples   submit ms  longest turn  results ms   µs/sample")
    for count, samples in LARGE:
        asyncio.run(large(count, samples))


if __name__ == "__main__":
    main()
