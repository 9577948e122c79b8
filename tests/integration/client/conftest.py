"""Scripted servers for the client's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from scripted_server import ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    started = await ScriptedServer().start()
    yield started
    await started.stop()


@pytest.fixture
async def other_server() -> AsyncIterator[ScriptedServer]:
    started = await ScriptedServer().start()
    yield started
    await started.stop()
