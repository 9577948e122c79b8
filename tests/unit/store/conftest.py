"""Stores on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fixtures.stores import KINDS, new_store

from rewardsvc.store import Database, StoreAddress, parse_address


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> StoreAddress:
    """An empty store."""
    return parse_address(new_store(request.param, tmp_path))


@pytest.fixture
async def database(address: StoreAddress) -> AsyncIterator[Database]:
    """An open store."""
    opened = Database(address)
    await opened.open()
    yield opened
    await opened.close()
