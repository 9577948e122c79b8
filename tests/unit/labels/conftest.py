"""Replicas on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from fixtures.ledgers import Replica
from fixtures.stores import KINDS, new_store

from rewardsvc.store import StoreAddress, parse_address

StartReplica = Callable[..., Awaitable[Replica]]


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> StoreAddress:
    """An empty store."""
    return parse_address(new_store(request.param, tmp_path))


@pytest.fixture
async def start_replica(address: StoreAddress) -> AsyncIterator[StartReplica]:
    """Starts replicas that share the store."""
    replicas: list[Replica] = []

    async def start(**options: float) -> Replica:
        replicas.append(await Replica.start(address, **options))
        return replicas[-1]

    yield start
    for replica in replicas:
        await replica.close()


@pytest.fixture
async def replica(start_replica: StartReplica) -> Replica:
    """One replica."""
    return await start_replica()
