"""Messages between a parent and its engine process: a length, then that much MessagePack.

Both ends are this package, on one machine, over a socket pair nobody else holds; MessagePack
(unlike pickle) still cannot run code when read. Text that is not valid Unicode gets through, so
that the engine can say which sample it cannot take.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import msgpack

__all__ = ["encode", "read_message", "receive", "send"]

_LENGTH = struct.Struct("<Q")


def encode(message: Any) -> bytes:
    """One framed message."""
    body: bytes = msgpack.packb(message, unicode_errors="surrogatepass")
    return _LENGTH.pack(len(body)) + body


def _decode(body: bytes | bytearray) -> Any:
    return msgpack.unpackb(body, strict_map_key=False, unicode_errors="surrogatepass")


async def read_message(reader: asyncio.StreamReader) -> Any:
    """The next message.

    Raises:
        asyncio.IncompleteReadError: the other end is gone.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return _decode(await reader.readexactly(length))


def send(connection: socket.socket, message: Any) -> None:
    """Sends one message, blocking."""
    connection.sendall(encode(message))


def receive(connection: socket.socket) -> Any:
    """The next message, blocking.

    Raises:
        EOFError: the other end is gone.
    """
    (length,) = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size))
    return _decode(_receive_exactly(connection, length))


def _receive_exactly(connection: socket.socket, length: int) -> bytearray:
    buffer = bytearray(length)
    view = memoryview(buffer)
    received = 0
    while received < length:
        count = connection.recv_into(view[received:])
        if count == 0:
            raise EOFError("the parent closed the connection")
        received += count
    return buffer
