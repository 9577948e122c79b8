"""What every call has in common: its error becomes a status here, and it is counted and logged.

Successful calls are logged at debug level: at thousands of calls a second the metrics are
the record. Failed calls are logged at info, defects with their trace at error.

Handlers are wrapped once, when they are registered: a grpc.aio interceptor would do the same
for some tens of microseconds a call more.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
import structlog

from rewardsvc.errors import InternalError, RewardServiceError
from rewardsvc.server.messages import Refused, reader
from rewardsvc.telemetry.metrics import Metrics
from rewardsvc.wire.failures import status_of

log = structlog.stdlib.get_logger("rewardsvc.calls")

_CODES = {code.name: code for code in grpc.StatusCode}
_Unary = Callable[[Any, Any], Awaitable[Any]]


class WatchedRegistration:
    """Stands in for the server where generated code registers handlers, and wraps each."""

    def __init__(self, server: grpc.aio.Server, metrics: Metrics, max_message_bytes: int) -> None:
        self._server = server
        self._metrics = metrics
        self._max_message_bytes = max_message_bytes
        # Unique among servers and restarts, and far cheaper than a UUID a request.
        self._request_ids = map(f"{secrets.token_hex(8)}-{{}}".format, itertools.count(1))

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Generated code calls both; the registered handlers are the ones to wrap."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Registers the wrapped handlers of one service."""
        wrapped = {
            name: self._wrap(f"/{service}/{name}", handler) for name, handler in handlers.items()
        }
        generic = grpc.method_handlers_generic_handler(service, wrapped)
        self._server.add_generic_rpc_handlers((generic,))

    def _wrap(self, method: str, handler: Any) -> Any:
        read = reader(handler.request_deserializer, self._max_message_bytes)
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._watch_stream(method, handler.stream_stream),
                read,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._watch_unary(method, handler.unary_unary), read, handler.response_serializer
        )

    def _watch_unary(self, method: str, handle: _Unary) -> _Unary:
        call = _CallRecord(self._metrics, method)
        request_ids = self._request_ids
        has_request_id = method.endswith("/Score")

        async def watched(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            started = call.start()
            request_id = ""
            try:
                if type(request) is Refused:
                    raise request.error
                if has_request_id:
                    request_id = request.request_id
                    if not request_id:
                        request.request_id = request_id = next(request_ids)
                response = await handle(request, context)
            except BaseException as error:
                await call.fail(started, error, context, request_id)
                raise
            call.succeed(started)
            return response

        return watched

    def _watch_stream(self, method: str, handle: _Unary) -> _Unary:
        call = _CallRecord(self._metrics, method)

        async def watched(
            requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
        ) -> None:
            started = call.start()
            try:
                await handle(requests, context)
            except BaseException as error:
                await call.fail(started, error, context, "")
                raise
            call.succeed(started)

        return watched


class _CallRecord:
    """Counts and logs the calls of one method."""

    def __init__(self, metrics: Metrics, method: str) -> None:
        self._method = method
        self._metrics = metrics
        self._started = metrics.calls_started.labels(method)
        self._ok = metrics.calls_handled.labels(method, "OK")
        self._seconds = metrics.call_seconds.labels(method)

    def start(self) -> float:
        self._started.inc()
        return time.perf_counter()

    def succeed(self, started: float) -> None:
        seconds = time.perf_counter() - started
        self._ok.inc()
        self._seconds.observe(seconds)
        log.debug("call", method=self._method, code="OK", seconds=seconds)

    async def fail(
        self,
        started: float,
        error: BaseException,
        context: grpc.aio.ServicerContext[Any, Any],
        request_id: str,
    ) -> None:
        """Aborts the call with the error's status; returns for a cancelled one."""
        seconds = time.perf_counter() - started
        self._seconds.observe(seconds)
        facts = {"method": self._method, "seconds": seconds, "request_id": request_id}
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._metrics.calls_handled.labels(self._method, "CANCELLED").inc()
            log.info("call cancelled", code="CANCELLED", **facts)
            return
        if not isinstance(error, RewardServiceError):
            log.error("call failed by a defect", code="INTERNAL", exc_info=error, **facts)
            error = InternalError.of(error)
        else:
            log.info("call failed", code=error.code, reason=error.message, **facts)
        self._metrics.calls_handled.labels(self._method, error.code).inc()
        await context.abort(
            _CODES[error.code],
            error.message,
            (("grpc-status-details-bin", status_of(error, request_id).SerializeToString()),),
        )
