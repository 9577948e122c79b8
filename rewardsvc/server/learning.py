"""What a server learns from labels: the store, what is in force, and the ledger behind
LabelService. Part of the composition root.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from rewardsvc.config import Config
from rewardsvc.errors import ConfigError
from rewardsvc.labels.audits import Auditor
from rewardsvc.labels.book import CalibratorBook
from rewardsvc.labels.ledger import LabelLedger
from rewardsvc.labels.names import LabelledScorer
from rewardsvc.store import Database, StoreUnavailable, parse_address

__all__ = ["Learning"]

_FROM_ENVIRONMENT = "env:"


@dataclass(frozen=True, slots=True)
class Learning:
    """The store of one server and everything on top of it. Use: `of`, `start`, `close`."""

    database: Database
    book: CalibratorBook
    ledger: LabelLedger
    auditors: list[Auditor] = field(default_factory=list)

    @classmethod
    def of(cls, config: Config) -> Learning | None:
        """What the configuration says; None without a store.

        Raises:
            ConfigError: the address is none; the store itself is not touched yet.
        """
        text = config.server.store
        if text is None:
            return None
        if text.startswith(_FROM_ENVIRONMENT):
            name = text.removeprefix(_FROM_ENVIRONMENT)
            text = os.environ.get(name, "")
            if not text:
                raise ConfigError(f"{config.source}: server.store: variable {name!r} is not set")
        try:
            database = Database(parse_address(text, config.base_path))
        except ConfigError as error:
            raise ConfigError(f"{config.source}: server.{error}") from error
        book = CalibratorBook(database)
        rewards = {
            name: {
                component.scorer: LabelledScorer(
                    "isotonic" if component.calibration is None else component.calibration.method,
                    component.calibration is not None and component.calibration.labels is None,
                )
                for component in reward.components
            }
            for name, reward in config.rewards.items()
        }
        return cls(database, book, LabelLedger(database, book, rewards))

    async def start(self, changed: Callable[[], None]) -> None:
        """Opens the store and follows it; calls `changed` whenever something is in force anew.

        Raises:
            ConfigError: nobody answers there, or a newer release has changed the store.
        """
        try:
            await self.database.open()
        except StoreUnavailable as error:
            raise ConfigError(f"server.store: {error.message}") from error
        self.book.on_change(lambda snapshot: changed())
        await self.book.start()
        for auditor in self.auditors:
            await auditor.start()

    async def close(self) -> None:
        """Stops following and closes the store; idempotent."""
        for auditor in self.auditors:
            await auditor.close()
        await self.ledger.close()
        await self.book.close()
        await self.database.close()
