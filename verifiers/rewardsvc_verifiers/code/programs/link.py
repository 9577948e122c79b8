"""The line between a program under test and the process that grades it.

Covers: requests and answers are plain data; an answer carries its request's number, so junk or
answers sent ahead are a broken link, not a result. Either side may be asked back while it waits
(a test that passes a lambda). Does not cover: time; the trusted side bounds both processes.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from rewardsvc_verifiers.code import codec

_HEADER = struct.Struct("<I")


class LinkBrokenError(Exception):
    """The other side is gone, silent for too long, or does not speak the protocol."""


class Link:
    """One end. `answer(operation, arguments)` serves the other side's requests.

    Args:
        descriptor: a connected stream socket.
        refer: see `codec.encode`. resolve: see `codec.decode`.
        answer: returns what to send back; what it raises is the caller's trouble.
        timeout: wall seconds to wait for any one message; None waits for ever.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        refer: codec.Refer,
        resolve: Callable[[codec.Reference], Any],
        answer: Callable[[str, list[Any]], Any],
        timeout: float | None = None,
    ) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.settimeout(timeout)
        self._refer, self._resolve, self._answer = refer, resolve, answer
        self._sequence = 0

    def request(self, operation: str, *arguments: Any) -> Any:
        """Asks and waits, serving requests meanwhile; returns the answer's payload.

        Raises:
            LinkBrokenError: no usable answer will ever come.
            codec.CodecError: an argument cannot cross.
        """
        self._sequence += 1
        number = self._sequence
        self._send(["ask", number, operation, list(arguments)])
        while True:
            kind, given, *rest = self._receive()
            if kind == "ask":
                self._serve(given, rest)
            elif kind == "answer" and given == number:
                return rest[0]
            else:
                raise LinkBrokenError("an answer to nothing that was asked")

    def serve_forever(self) -> None:
        """Answers requests until the other side closes."""
        with contextlib.suppress(LinkBrokenError):
            while True:
                kind, number, *rest = self._receive()
                if kind != "ask":
                    return
                self._serve(number, rest)

    def _serve(self, number: Any, rest: list[Any]) -> None:
        operation, arguments = rest
        try:
            self._send(["answer", number, self._answer(operation, arguments)])
        except codec.CodecError as error:
            self._send(["answer", number, ["unusable", str(error), time.process_time()]])

    def _send(self, message: list[Any]) -> None:
        data = codec.encode(message, self._refer)
        try:
            self._socket.sendall(_HEADER.pack(len(data)) + data)
        except OSError as error:
            raise LinkBrokenError(str(error)) from None

    def _receive(self) -> list[Any]:
        (size,) = _HEADER.unpack(self._exactly(_HEADER.size))
        if size > codec.MAXIMUM_BYTES:
            raise LinkBrokenError("a message too long")
        try:
            message = codec.decode(self._exactly(size), self._resolve)
        except codec.CodecError as error:
            raise LinkBrokenError(str(error)) from None
        if type(message) is not list or len(message) not in (3, 4):
            raise LinkBrokenError("not a message")
        return message

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self._socket.recv(min(count - len(parts), 1 << 20))
            except OSError as error:
                raise LinkBrokenError(str(error) or "no answer in time") from None
            if not part:
                raise LinkBrokenError("the other side ended")
            parts += part
        return bytes(parts)
