"""What a worker thread has at hand: its zygotes, and caches shared by all workers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from rewardsvc_verifiers.sandbox.host import Zygote
from rewardsvc_verifiers.sandbox.levels import Level
from rewardsvc_verifiers.sandbox.profile import Profile


class BytesCache:
    """Least recently used bytes by key, bounded by their total size. Thread safe."""

    def __init__(self, maximum_bytes: int) -> None:
        self._maximum = maximum_bytes
        self._size = 0
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Keeps bytes under a key; what has not been used longest makes room."""
        with self._lock:
            self._size += len(value) - len(self._entries.pop(key, b""))
            self._entries[key] = value
            while self._size > self._maximum:
                _, dropped = self._entries.popitem(last=False)
                self._size -= len(dropped)


class Shared:
    """Caches and one-time preparations shared by the workers of a verifier. Thread safe."""

    def __init__(self, compiled_bytes: int) -> None:
        self.cache = BytesCache(compiled_bytes)
        self.directories: dict[str, Path] = {}
        self._lock = threading.Lock()

    def once(self, name: str, make: Callable[[], Path]) -> Path:
        """A directory made on first use and removed with the verifier."""
        with self._lock:
            if name not in self.directories:
                self.directories[name] = make()
            return self.directories[name]


class Toolbox:
    """One worker's: used by one thread at a time."""

    def __init__(self, level: Level, shared: Shared) -> None:
        self.level = level
        self.cache = shared.cache
        self.once = shared.once
        self._zygotes: dict[Profile, Zygote] = {}

    def zygote(self, profile: Profile) -> Zygote:
        """A living zygote of a profile, started on first use or after it died.

        Raises:
            SandboxError: it cannot be started.
        """
        zygote = self._zygotes.get(profile)
        if zygote is None or not zygote.alive:
            if zygote is not None:
                zygote.close()
            zygote = self._zygotes[profile] = Zygote.start(profile, self.level)
        return zygote

    def discard(self, profile: Profile) -> None:
        """Drops a zygote that misbehaved; the next use starts another."""
        zygote = self._zygotes.pop(profile, None)
        if zygote is not None:
            zygote.close()

    def close(self) -> None:
        """Ends all zygotes."""
        for profile in list(self._zygotes):
            self.discard(profile)
