"""Connections: addresses to gRPC channels, and which of them takes the next call.

Each address has its own channel, so that names, IP addresses and sockets mix, and so that a
retry can go to another server than the one that failed. A name that stands for several
addresses (`dns:///service:port` on a headless Kubernetes service) is balanced by gRPC's own
round_robin inside its channel. Servers whose health says NOT_SERVING get no calls.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from rewardsvc.errors import RewardServiceError, Unavailable
from rewardsvc.v1.label_service_pb2_grpc import LabelServiceStub
from rewardsvc.v1.reward_service_pb2_grpc import RewardServiceStub

MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""The largest message in either direction."""

_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": "rewardsvc.v1.RewardService"},
    }
)


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Pings that notice a server which vanished without closing its connection; in seconds."""

    time: float = 30.0
    """Between two pings while calls are under way."""
    timeout: float = 10.0
    """Without an answer for this long, the connection counts as lost."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Encryption, as paths of PEM files."""

    ca: str | Path | None = None
    """Certificates to trust; None: those that gRPC ships."""
    cert: str | Path | None = None
    """The client's own certificate chain, for mutual TLS; needs `key`."""
    key: str | Path | None = None
    """The private key of `cert`."""
    server_name: str = ""
    """The name expected in the server's certificate, where it differs from the address."""

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("Tls.cert and Tls.key are given together or not at all")

    def credentials(self) -> grpc.ChannelCredentials:
        """gRPC's credentials; raises OSError naming a file that cannot be read."""
        ca, key, cert = (
            None if path is None else Path(path).read_bytes()
            for path in (self.ca, self.key, self.cert)
        )
        return grpc.ssl_channel_credentials(ca, key, cert)


def addresses_of(target: str | Sequence[str]) -> tuple[str, ...]:
    """The addresses of a target: a list, or one string with commas between them."""
    parts = target.split(",") if isinstance(target, str) else list(target)
    addresses = tuple(part.strip() for part in parts)
    if not addresses or not all(addresses):
        raise ValueError(
            f"target is {target!r}; must be `host:port`, several of them as a list or with commas "
            "between them, or a gRPC name such as `dns:///service:port`"
        )
    return addresses


def is_local(address: str) -> bool:
    """Whether an address stays on this machine."""
    host = address.removeprefix("dns:///").removeprefix("ipv4:").removeprefix("ipv6:")
    return host.startswith(("127.", "localhost:", "[::1]:", "unix:"))


class _Stub(RewardServiceStub, LabelServiceStub):
    """The calls of every service, by name."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        RewardServiceStub.__init__(self, channel)
        LabelServiceStub.__init__(self, channel)


class Endpoint:
    """One address: its channel and the calls that it offers."""

    __slots__ = ("address", "channel", "stub", "suspect_until")

    def __init__(self, address: str, tls: Tls | None, keepalive: KeepAlive) -> None:
        self.address = address
        self.suspect_until = 0.0
        options: list[tuple[str, Any]] = [
            ("grpc.service_config", _SERVICE_CONFIG),
            ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
            ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
            ("grpc.keepalive_time_ms", int(keepalive.time * 1000)),
            ("grpc.keepalive_timeout_ms", int(keepalive.timeout * 1000)),
            # gRPC waits up to two minutes between attempts to connect; a restarted server
            # should have its trainers back within seconds.
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.min_reconnect_backoff_ms", 5_000),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        ]
        if is_local(address):
            options.append(("grpc.enable_http_proxy", 0))
        if tls is None:
            self.channel = grpc.aio.insecure_channel(address, options)
        else:
            if tls.server_name:
                options.append(("grpc.ssl_target_name_override", tls.server_name))
            self.channel = grpc.aio.secure_channel(address, tls.credentials(), options)
        self.stub = _Stub(self.channel)

    def suspect(self, error: RewardServiceError) -> None:
        """Notes a failed call, so that retries go elsewhere for a while if they can.

        The channel may not have noticed yet that its server is gone.
        """
        if isinstance(error, Unavailable):
            self.suspect_until = time.monotonic() + max(1.0, error.retry_after_seconds)


class Endpoints:
    """The addresses of a target; calls go round those that are connected.

    Channels belong to the event loop in which they were opened, by the first `pick`.
    """

    def __init__(self, addresses: tuple[str, ...], tls: Tls | None, keepalive: KeepAlive) -> None:
        self._addresses = addresses
        self._tls = tls
        self._keepalive = keepalive
        self._endpoints: list[Endpoint] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = -1
        self._closed = False

    def __len__(self) -> int:
        return len(self._addresses)

    async def pick(self, home: int | None = None) -> Endpoint:
        """The endpoint for the next call: a connected one, and not a suspect if possible.

        Waits while none is connected and some may yet be; when all have failed to connect,
        returns one of them, whose call then says why. With `home`, the endpoint of that
        number comes first, and is waited for while it may yet be connected: long streams
        would otherwise all settle on the server that was connected first.
        """
        endpoints = self._opened()
        if len(endpoints) == 1:
            return endpoints[0]
        while True:
            states = [e.channel.get_state(try_to_connect=True) for e in endpoints]
            now = time.monotonic()
            if home is not None:
                at_home, state = endpoints[home % len(endpoints)], states[home % len(endpoints)]
                if state is grpc.ChannelConnectivity.READY and at_home.suspect_until <= now:
                    return at_home
                if state in (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING):
                    await _any_change(endpoints, states)
                    continue
            ready = [
                endpoint
                for endpoint, state in zip(endpoints, states, strict=True)
                if state is grpc.ChannelConnectivity.READY
            ]
            if ready or all(s is grpc.ChannelConnectivity.TRANSIENT_FAILURE for s in states):
                candidates = [e for e in ready if e.suspect_until <= now] or ready or endpoints
                self._turn += 1
                return candidates[self._turn % len(candidates)]
            await _any_change(endpoints, states)

    async def close(self) -> None:
        """Closes every channel; calls under way fail. Idempotent."""
        self._closed = True
        endpoints, self._endpoints = self._endpoints, []
        for endpoint in endpoints:
            await endpoint.channel.close()

    def _opened(self) -> list[Endpoint]:
        if self._closed:
            raise RuntimeError("the client is closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._endpoints = [
                Endpoint(address, self._tls, self._keepalive) for address in self._addresses
            ]
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError(
                "this AsyncClient belongs to another event loop; make one in each loop, or use "
                "rewardsvc.Client, which works from any thread"
            )
        return self._endpoints


async def _any_change(
    endpoints: Sequence[Endpoint], states: Sequence[grpc.ChannelConnectivity]
) -> None:
    """Returns when the connectivity of any endpoint has left its state."""
    watches = [
        asyncio.ensure_future(endpoint.channel.wait_for_state_change(state))
        for endpoint, state in zip(endpoints, states, strict=True)
    ]
    try:
        await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for watch in watches:
            watch.cancel()
