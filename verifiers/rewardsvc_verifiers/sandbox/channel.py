"""Messages between the trusted process, a zygote and its runners.

One JSON object per datagram, with descriptors beside it, over a SOCK_SEQPACKET pair; anything
large or hostile travels in a memfd. Covers: bounded size, and a closed or malformed channel is
one exception. Does not cover: trust; the trusted side checks every value it is told.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

MAXIMUM_MESSAGE = 1 << 16
MAXIMUM_DESCRIPTORS = 16
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class ChannelClosedError(ConnectionError):
    """The other side is gone, or sent something that is not a message."""


def pair() -> tuple[socket.socket, socket.socket]:
    """A connected pair that keeps message boundaries."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Sends one message; ChannelClosedError when nobody listens any more."""
    try:
        socket.send_fds(channel, [json.dumps(message).encode()], list(descriptors))
    except OSError as error:
        raise ChannelClosedError(str(error)) from error


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Waits for one message; ChannelClosedError at the end. The caller closes descriptors."""
    try:
        data, descriptors, flags, _ = socket.recv_fds(
            channel, MAXIMUM_MESSAGE, MAXIMUM_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
    except OSError as error:
        raise ChannelClosedError(str(error)) from error
    try:
        if not data or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ValueError("empty or truncated")
        message = json.loads(data)
        if not isinstance(message, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise ChannelClosedError(f"bad message: {error}") from error
    return message, descriptors


def sealed_memfd(data: bytes, *, executable: bool = False) -> int:
    """A read-only copy of `data` behind a descriptor at offset 0; nobody can alter it."""
    descriptor = memfd(executable=executable)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor


def memfd(*, executable: bool = False) -> int:
    """An empty file in memory."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    if not executable:
        return _create(flags | 0x0008)  # MFD_NOEXEC_SEAL, Linux 6.3
    return _create(flags | 0x0010)  # MFD_EXEC


def _create(flags: int) -> int:
    try:
        return os.memfd_create("rewardsvc", flags)
    except OSError:  # an older kernel knows neither flag
        return os.memfd_create("rewardsvc", flags & ~0x0018)


def read_all(descriptor: int, limit: int) -> bytes:
    """The first `limit` bytes of a file, whatever its offset."""
    parts: list[bytes] = []
    offset = 0
    while offset < limit:
        part = os.pread(descriptor, min(limit - offset, 1 << 20), offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
