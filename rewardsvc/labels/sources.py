"""What is in force in the store, as the assembly of results takes it."""

from __future__ import annotations

from dataclasses import dataclass

from rewardsvc.assembly import Calibrator
from rewardsvc.labels.book import CalibratorBook

__all__ = ["StoredCalibrators"]


@dataclass(frozen=True, slots=True)
class StoredCalibrators:
    """The calibrators of one scorer of a reward, by domain, as they are now."""

    book: CalibratorBook
    reward: str
    scorer: str

    def in_force(self, domain: str) -> Calibrator | None:
        """The domain's calibrator, else the one of all domains, else None."""
        return self.book.calibrator(self.reward, self.scorer, domain)
