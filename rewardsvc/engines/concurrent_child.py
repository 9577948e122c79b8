"""The side of an engine process that works on many requests at a time.

`python -m rewardsvc.engines.concurrent_child FD PARENT_PID`. Requests come as [identity,
request], are worked on by one asyncio loop and answered in any order; [identity] alone gives
that request up. A sign of life is sent every second as long as the engine moves or has nothing
to do, so that the parent can tell a long generation from a hung engine. The process leads a
group of its own, which ends with it: engines may have processes of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import sys
import traceback
from typing import Any

from rewardsvc.engines.engine import ConcurrentEngine, EngineLost
from rewardsvc.engines.framing import encode, read_message
from rewardsvc.engines.lifeline import die_with_parent, guard_group
from rewardsvc.errors import ConfigError

_SIGN_OF_LIFE_SECONDS = 1.0
_NOBODYS = -1
"""The identity of no request: a message with it only shows that the process lives."""


class _Service:
    def __init__(self, engine: ConcurrentEngine, writer: asyncio.StreamWriter) -> None:
        self._engine = engine
        self._writer = writer
        self._under_way: dict[int, asyncio.Task[None]] = {}

    async def serve(self, reader: asyncio.StreamReader) -> None:
        signs = asyncio.create_task(self._show_life())
        try:
            while True:
                identity, *rest = await read_message(reader)
                if rest:
                    task = asyncio.create_task(self._answer(identity, rest[0]))
                    self._under_way[identity] = task
                elif given_up := self._under_way.get(identity):
                    given_up.cancel()
        finally:
            signs.cancel()

    async def _answer(self, identity: int, request: Any) -> None:
        try:
            reply = [identity, True, await self._engine.answer(request)]
        except asyncio.CancelledError:
            return
        except EngineLost:
            traceback.print_exc()
            os._exit(1)
        except Exception as error:
            traceback.print_exc()
            reply = [identity, False, f"{type(error).__name__}: {error}".strip()]
        finally:
            del self._under_way[identity]
        self._send(reply)

    async def _show_life(self) -> None:
        seen = -1
        while True:
            await asyncio.sleep(_SIGN_OF_LIFE_SECONDS)
            now = self._engine.progress
            if now != seen or not self._under_way:
                self._send([_NOBODYS, True, None])
            seen = now

    def _send(self, message: Any) -> None:
        # Not drained: the parent always reads, and what waits is bounded by its own requests.
        with contextlib.suppress(ConnectionError):
            self._writer.write(encode(message))


async def _run(connection: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    order = await read_message(reader)
    try:
        module, _, name = order["engine"].partition(":")
        engine: ConcurrentEngine = getattr(importlib.import_module(module), name)(
            **order["options"]
        )
        ready = {"ready": await engine.start()}
    except ConfigError as error:
        ready = {"config_error": error.message}  # type: ignore[dict-item]
    except Exception as error:
        traceback.print_exc()
        ready = {"error": f"{type(error).__name__}: {error}".strip()}  # type: ignore[dict-item]
    writer.write(encode(ready))
    await writer.drain()
    if "ready" in ready:
        await _Service(engine, writer).serve(reader)


def main() -> None:
    """Serves until the parent closes the connection or goes away."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(descriptor, False)
    die_with_parent(parent)
    guard_group(descriptor)
    # A terminal's Ctrl-C is the parent's to act on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        asyncio.run(_run(socket.socket(fileno=descriptor)))
    # Not sys.exit: an engine's threads and exit handlers must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
