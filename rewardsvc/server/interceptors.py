"""What every call has in common: its error becomes a status here, and it is counted and logged.

Successful calls are logged at debug level: at thousands of calls a second the metrics are
the record. Failed calls are logged at info, defects with their trace at error.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog

from rewardsvc.errors import InternalError, RewardServiceError
from rewardsvc.server.messages import Refused, reader
from rewardsvc.telemetry.metrics import Metrics
from rewardsvc.wire.failures import status_of

log = structlog.stdlib.get_logger("rewardsvc.calls")

_CODES = {code.name: code for code in grpc.StatusCode}


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Wraps each handler once: reads messages, maps errors, counts, logs."""

    def __init__(self, metrics: Metrics, max_message_bytes: int, own_prefix: str) -> None:
        self._metrics = metrics
        self._max_message_bytes = max_message_bytes
        self._own_prefix = own_prefix
        self._handlers: dict[str, Any] = {}

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The wrapped handler of our methods; others (health, reflection) as they are."""
        method = handler_call_details.method
        wrapped = self._handlers.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(self._own_prefix):
            return handler
        read = reader(handler.request_deserializer, self._max_message_bytes)
        if handler.request_streaming:
            wrapped = grpc.stream_stream_rpc_method_handler(
                self._watch_stream(method, handler.stream_stream),
                read,
                handler.response_serializer,
            )
        else:
            wrapped = grpc.unary_unary_rpc_method_handler(
                self._watch_unary(method, handler.unary_unary),
                read,
                handler.response_serializer,
            )
        self._handlers[method] = wrapped
        return wrapped

    def _watch_unary(
        self, method: str, handle: Callable[[Any, Any], Awaitable[Any]]
    ) -> Callable[[Any, Any], Awaitable[Any]]:
        call = _CallRecord(self._metrics, method)
        has_request_id = method.endswith("/Score")

        async def watched(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            started = call.start()
            request_id = ""
            try:
                if type(request) is Refused:
                    raise request.error
                if has_request_id:
                    request_id = request.request_id = request.request_id or str(uuid.uuid4())
                response = await handle(request, context)
            except BaseException as error:
                await call.fail(started, error, context, request_id)
                raise
            call.succeed(started)
            return response

        return watched

    def _watch_stream(
        self, method: str, handle: Callable[[Any, Any], Awaitable[None]]
    ) -> Callable[[Any, Any], Awaitable[None]]:
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
