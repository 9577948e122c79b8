"""Jobs that behave and misbehave, for the pool's tests. Imported by the zygote."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any


def double(payload: Any) -> Any:
    return payload * 2


def spin(payload: Any) -> Any:
    while True:
        pass


def big_integer(payload: Any) -> Any:
    """C code that holds the GIL for minutes."""
    return len(str(3 ** (10**9)))


def hog(payload: Any) -> Any:
    return len(bytearray(8 << 30))


def fail(payload: Any) -> Any:
    raise ValueError(f"no good: {payload}")


def die(payload: Any) -> Any:
    os._exit(3)


def die_once(payload: Any) -> Any:
    """Dies unless an earlier attempt has left its mark."""
    mark = Path(payload)
    if mark.exists():
        return "survived"
    mark.write_text("here")
    os._exit(3)


def announce_and_wait(payload: Any) -> Any:
    """Writes its pid, then waits for a file: the test decides when it ends."""
    started, go = Path(payload["started"]), Path(payload["go"])
    with started.open("a") as file:
        file.write(f"{os.getpid()} {os.getppid()}\n")
    while not go.exists():
        time.sleep(0.005)
    return "done"


def unsendable(payload: Any) -> Any:
    return {1, 2}


def enormous(payload: Any) -> Any:
    return "x" * (2 << 20)


def environment(payload: Any) -> Any:
    return sorted(os.environ)


def open_descriptors(payload: Any) -> Any:
    return len(os.listdir("/proc/self/fd"))


def impostor(payload: Any) -> Any:
    """Writes a frame of its own on the socket before the real answer."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                os.write(int(name), b"\x00\x00\x00\x0bnot a json!")
        except OSError:
            continue
    return sys.version
