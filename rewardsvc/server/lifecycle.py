"""One server's life in a process: start, serve until SIGTERM or SIGINT, drain, stop."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable

from rewardsvc.config import Config
from rewardsvc.server.app import RewardServer
from rewardsvc.telemetry.logs import configure_logs


def run(config: Config, on_ready: Callable[[str], None] = lambda address: None) -> None:
    """Serves until a signal; calls `on_ready` with the address once every scorer is warm.

    Raises ConfigError for a configuration that cannot be served.
    """
    configure_logs(config.server.log_level)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(config, on_ready))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(config: Config, on_ready: Callable[[str], None]) -> None:
    server = RewardServer(config)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        address = await server.open()
        warming = asyncio.create_task(server.warm_up())
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait((warming, stopping), return_when=asyncio.FIRST_COMPLETED)
        if warming.done():
            warming.result()
            _spare_the_garbage_collector()
            on_ready(address)
            await stopping
            await server.drain()
        else:
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
    finally:
        await server.close()


def _spare_the_garbage_collector() -> None:
    """Keeps collections from walking everything that was loaded, and makes them rarer.

    A request makes hundreds of short-lived objects without cycles; at the default threshold
    the collector would run several times a request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
