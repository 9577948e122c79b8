"""The composition root: from a checked configuration to a running server.

Order of starting: everything that can be wrong with the configuration is found first, then
the port opens with readiness NOT_SERVING, then the scorers load and warm up, then readiness
turns SERVING.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from rewardsvc.assembly import Part, Recipe
from rewardsvc.batching.batcher import Batcher
from rewardsvc.calibration import METHODS
from rewardsvc.config import ComponentConfig, Config, RewardConfig, TlsConfig
from rewardsvc.errors import ConfigError, RewardServiceError
from rewardsvc.pipeline import RewardPipeline, ScorerSlot
from rewardsvc.server.calls import WatchedRegistration
from rewardsvc.server.servicer import RewardServicer
from rewardsvc.telemetry.metrics import Metrics
from rewardsvc.v1 import reward_service_pb2, reward_service_pb2_grpc

log = structlog.stdlib.get_logger("rewardsvc.server")

SERVICE = reward_service_pb2.DESCRIPTOR.services_by_name["RewardService"].full_name
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class RewardServer:
    """A server and everything behind it. Use: `open`, `warm_up`, …, `drain`, `close`.

    Raises ConfigError, before any port is opened, for what the configuration gets wrong.
    """

    def __init__(self, config: Config) -> None:
        self.metrics = Metrics()
        self._config = config
        self._slots = _slots(config, self.metrics)
        self._pipelines = {
            name: _pipeline(name, reward, config, self._slots)
            for name, reward in config.rewards.items()
        }
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
        reward_service_pb2_grpc.add_RewardServiceServicer_to_server(
            self._servicer,
            WatchedRegistration(server, self.metrics, settings.max_message_bytes),
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection(
            (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name), server
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
        for pipeline in self._pipelines.values():
            pipeline.refresh()
        for slot in self._slots.values():
            scorer = slot.scorer.describe()
            self.metrics.describe_scorer(scorer)
            log.info("scorer is warm", scorer=scorer.name, **scorer.facts)
        self._servicer.ready = True
        await self._health.set(SERVICE, _SERVING)
        log.info("ready", rewards=sorted(self._pipelines))

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
        for slot in self._slots.values():
            await slot.batcher.close()
            await slot.scorer.close()
        self._stop_metrics()
        self._stop_metrics = lambda: None


def _slots(config: Config, metrics: Metrics) -> dict[str, ScorerSlot]:
    slots = {}
    used = {part.scorer for reward in config.rewards.values() for part in reward.components}
    for name, spec in config.scorers.items():
        if name not in used:
            log.warning("scorer is used by no reward and is not loaded", scorer=name)
            continue
        try:
            scorer = spec.kind(name, spec.config, config.base_path)
        except (ValueError, OSError, RewardServiceError) as error:
            raise ConfigError(f"{config.source}: scorers.{name}: {error}") from error
        batcher = Batcher(
            name,
            scorer.score,
            scorer.weigh,
            scorer.limits,
            observer=metrics,
            weights=config.server.tenant_shares,
            clock=time.monotonic,
        )
        metrics.watch_queue(name, partial(getattr, batcher, "queue_depth"))
        slots[name] = ScorerSlot(scorer, batcher)
    return slots


def _pipeline(
    name: str, reward: RewardConfig, config: Config, slots: Mapping[str, ScorerSlot]
) -> RewardPipeline:
    parts = tuple(
        Part(component.scorer, component.weight, _calibrator(name, component, config))
        for component in reward.components
    )
    return RewardPipeline(
        name,
        reward.description,
        Recipe(parts, reward.combination, reward.confidence),
        [slots[component.scorer] for component in reward.components],
    )


def _calibrator(reward: str, component: ComponentConfig, config: Config) -> Any:
    settings = component.calibration
    if settings is None:
        return None
    try:
        return METHODS[settings.method](config.base_path / settings.labels)
    except (ValueError, OSError, RewardServiceError) as error:
        raise ConfigError(
            f"{config.source}: rewards.{reward}: calibration of {component.scorer}: {error}"
        ) from error


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
