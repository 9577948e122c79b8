"""The composition root: from a checked configuration to a running server.

Order of starting: everything that can be wrong with the configuration is found first, then
the port opens with readiness NOT_SERVING, then the scorers load and warm up, then readiness
turns SERVING.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from rewardsvc.config import Config, TlsConfig
from rewardsvc.errors import ConfigError
from rewardsvc.server.calls import WatchedRegistration
from rewardsvc.server.composition import compose_pipelines, compose_slots
from rewardsvc.server.label_servicer import LabelServicer
from rewardsvc.server.learning import Learning
from rewardsvc.server.servicer import RewardServicer
from rewardsvc.telemetry.metrics import Metrics
from rewardsvc.v1 import (
    label_service_pb2,
    label_service_pb2_grpc,
    reward_service_pb2,
    reward_service_pb2_grpc,
)

log = structlog.stdlib.get_logger("rewardsvc.server")

SERVICE = reward_service_pb2.DESCRIPTOR.services_by_name["RewardService"].full_name
_LABEL_SERVICE = label_service_pb2.DESCRIPTOR.services_by_name["LabelService"].full_name
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class RewardServer:
    """A server and everything behind it. Use: `open`, `warm_up`, …, `drain`, `close`.

    Raises ConfigError, before any port is opened, for what the configuration gets wrong.
    """

    def __init__(self, config: Config) -> None:
        self.metrics = Metrics()
        self._config = config
        self._slots = compose_slots(config, self.metrics)
        self._learning = Learning.of(config)
        if self._learning is not None:
            self.metrics.watch_store(partial(getattr, self._learning.book, "stale_seconds"))
        self._pipelines = compose_pipelines(config, self._slots, self._learning)
        for name, pipeline in self._pipelines.items():
            self.metrics.watch_monitors(name, pipeline.monitors)
        self._servicer = RewardServicer(
            self._pipelines, self.metrics, config.server.stream_messages_in_flight
        )
        self._health = health_aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._stop_metrics = lambda: None
        self.address = ""

    async def open(self) -> str:
        """Opens the port, alive but not ready; returns the address that clients dial."""
        settings = self._config.server
        hard_limit = 2 * settings.max_message_bytes
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", hard_limit),
                ("grpc.max_send_message_length", hard_limit),
                ("grpc.so_reuseport", 0),
                # Clients may ping idle connections every 10 s without being sent away.
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        registration = WatchedRegistration(server, self.metrics, settings.max_message_bytes)
        reward_service_pb2_grpc.add_RewardServiceServicer_to_server(self._servicer, registration)
        label_service_pb2_grpc.add_LabelServiceServicer_to_server(
            LabelServicer(None if self._learning is None else self._learning.ledger), registration
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection(
            (SERVICE, _LABEL_SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name),
            server,
        )
        await self._health.set("", _SERVING)
        await self._health.set(SERVICE, _NOT_SERVING)
        self.address = _bind(server, settings.address, settings.tls, self._config.base_path)
        if settings.metrics_address:
            try:
                self._stop_metrics = self.metrics.serve(settings.metrics_address)
            except OSError as error:
                raise ConfigError(
                    f"server.metrics_address: cannot listen on {settings.metrics_address}: {error}"
                ) from error
        await server.start()
        self._server = server
        log.info("listening", address=self.address)
        return self.address

    async def warm_up(self) -> None:
        """Loads every scorer, then turns ready; raises ConfigError for one that cannot load."""
        try:
            async with asyncio.TaskGroup() as starting:
                for slot in self._slots.values():
                    starting.create_task(slot.scorer.start())
        except BaseExceptionGroup as group:
            wrong, others = group.split(ConfigError)
            if wrong is None or others is not None:
                raise
            raise ConfigError("\n".join(str(error) for error in wrong.exceptions)) from group
        if self._learning is not None:
            await self._learning.start(self._refresh)
        self._refresh()
        for slot in self._slots.values():
            scorer = slot.scorer.describe()
            self.metrics.describe_scorer(scorer)
            log.info("scorer is warm", scorer=scorer.name, **scorer.facts)
        self._servicer.ready = True
        await self._health.set(SERVICE, _SERVING)
        log.info("ready", rewards=sorted(self._pipelines))

    def _refresh(self) -> None:
        for pipeline in self._pipelines.values():
            pipeline.refresh()

    async def drain(self) -> None:
        """Leaves rotation and finishes every accepted request, within the configured time."""
        settings = self._config.server
        log.info("draining", delay=settings.drain_delay_seconds, limit=settings.drain_seconds)
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(settings.drain_delay_seconds)
        self._servicer.drain()
        if self._server is not None:
            await self._server.stop(settings.drain_seconds)
        log.info("drained")

    async def close(self) -> None:
        """Frees everything; idempotent. Cancels what `drain` has not finished."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None
        if self._learning is not None:
            await self._learning.close()  # first: auditors hold on to batchers
        for slot in self._slots.values():
            await slot.batcher.close()
            await slot.scorer.close()
        self._stop_metrics()
        self._stop_metrics = lambda: None


def _bind(server: grpc.aio.Server, address: str, tls: TlsConfig | None, base_path: Path) -> str:
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, _credentials(tls, base_path))
    except (RuntimeError, OSError) as error:
        raise ConfigError(f"server.address: cannot listen on {address}: {error}") from error
    if address.startswith("unix:"):
        return address
    return f"{address.rpartition(':')[0]}:{port}"


def _credentials(tls: TlsConfig, base_path: Path) -> grpc.ServerCredentials:
    authority = tls.client_authority and (base_path / tls.client_authority).read_bytes()
    return grpc.ssl_server_credentials(
        [((base_path / tls.key).read_bytes(), (base_path / tls.certificate).read_bytes())],
        root_certificates=authority,
        require_client_auth=authority is not None,
    )
