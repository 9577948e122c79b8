"""Length-prefixed JSON over a stream socket, with a cap on what is believed."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, Final

_HEADER: Final = struct.Struct("!I")
MAXIMUM_MESSAGE: Final = 4 * 1024 * 1024


class BrokenMessage(ValueError):
    """The peer sent something that is no message."""


def encode(message: Any) -> bytes:
    """One frame. Raises ValueError when the message is larger than `MAXIMUM_MESSAGE`."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > MAXIMUM_MESSAGE:
        raise ValueError(f"a message of {len(body)} bytes is over {MAXIMUM_MESSAGE}")
    return _HEADER.pack(len(body)) + body


class Frames:
    """Collects bytes and yields whole messages."""

    def __init__(self, maximum: int = MAXIMUM_MESSAGE) -> None:
        self._buffer = bytearray()
        self._maximum = maximum

    def feed(self, data: bytes) -> list[Any]:
        """All messages completed by `data`. Raises BrokenMessage."""
        self._buffer += data
        messages: list[Any] = []
        while len(self._buffer) >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._buffer)
            if length > self._maximum:
                raise BrokenMessage(f"a message of {length} bytes is over {self._maximum}")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                break
            body = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            try:
                messages.append(json.loads(body))
            except (ValueError, RecursionError) as problem:
                raise BrokenMessage(f"a message that is not JSON: {problem}") from None
        return messages


def receive(connection: socket.socket) -> Any:
    """Block for one message. Raises EOFError when the peer is gone."""
    header = _exactly(connection, _HEADER.size)
    (length,) = _HEADER.unpack(header)
    if length > MAXIMUM_MESSAGE:
        raise BrokenMessage(f"a message of {length} bytes is over {MAXIMUM_MESSAGE}")
    return json.loads(_exactly(connection, length))


def _exactly(connection: socket.socket, size: int) -> bytes:
    chunks: list[bytes] = []
    while size:
        chunk = connection.recv(min(size, 1 << 16))
        if not chunk:
            raise EOFError
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)
