"""The engine process's own side: `python -m rewardsvc.engines.child FD PARENT_PID`.

One thread reads and prepares requests while the main thread runs the ones before, so that the
engine does not wait for tokenisation or for the next message. When the parent goes away the
process ends at once, whatever it is doing: the connection's end of file says so, and the
kernel kills it should the reader be stuck.
"""

from __future__ import annotations

import importlib
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from rewardsvc.engines.engine import Engine
from rewardsvc.engines.framing import receive, send
from rewardsvc.engines.lifeline import die_with_parent
from rewardsvc.errors import ConfigError

_PREPARED_AHEAD = 1


class _Failure:
    def __init__(self, error: Exception) -> None:
        self.text = _one_line(error)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip()


def _build(connection: socket.socket) -> Engine | None:
    """Builds and starts the engine the first message names; tells the parent how it went."""
    order = receive(connection)
    try:
        module, _, name = order["engine"].partition(":")
        engine: Engine = getattr(importlib.import_module(module), name)(**order["options"])
        send(connection, {"ready": engine.start()})
    except ConfigError as error:
        send(connection, {"config_error": error.message})
    except Exception as error:
        traceback.print_exc()
        send(connection, {"error": _one_line(error)})
    else:
        return engine
    return None


def _read(connection: socket.socket, engine: Engine, work: queue.Queue[Any]) -> None:
    try:
        while True:
            identity, request = receive(connection)
            try:
                prepared = engine.prepare(request)
            except Exception as error:
                traceback.print_exc()
                prepared = _Failure(error)
            work.put((identity, prepared))
    except (EOFError, OSError):
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _serve(connection: socket.socket, engine: Engine) -> None:
    work: queue.Queue[Any] = queue.Queue(_PREPARED_AHEAD)
    threading.Thread(target=_read, args=(connection, engine, work), daemon=True).start()
    while True:
        identity, prepared = work.get()
        if isinstance(prepared, _Failure):
            reply: Any = [identity, False, prepared.text]
        else:
            try:
                reply = [identity, True, engine.run(prepared)]
            except Exception as error:
                traceback.print_exc()
                reply = [identity, False, _one_line(error)]
        try:
            send(connection, reply)
        except OSError:
            os._exit(0)


def main() -> None:
    """Serves until the parent closes the connection or goes away."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    # A terminal's Ctrl-C reaches the whole process group; the parent decides when to end this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    try:
        engine = _build(connection)
        if engine is not None:
            _serve(connection, engine)
    except (EOFError, OSError):
        os._exit(0)


if __name__ == "__main__":
    main()
