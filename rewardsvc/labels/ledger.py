"""Records labels, fits calibrators on them, and says what is known: the service of LabelService."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import structlog

from rewardsvc.calibration import METHODS
from rewardsvc.errors import InvalidRequest
from rewardsvc.labels import fitting
from rewardsvc.labels.book import CalibratorBook
from rewardsvc.labels.checking import check_labels
from rewardsvc.labels.errors import CalibrationUnknown
from rewardsvc.labels.names import LabelledRewards, scorer_of
from rewardsvc.labels.noise_learning import NoiseLearner
from rewardsvc.labels.rates import rates_of
from rewardsvc.labels.types import Calibration, Label, NoiseRates, Recorded
from rewardsvc.noise import NoiseEstimate
from rewardsvc.store import Database, calibrators, labels, noise
from rewardsvc.store.calibrators import CalibratorKey
from rewardsvc.store.labels import LabelRow

log = structlog.stdlib.get_logger("rewardsvc.labels")


class LabelLedger:
    """What a server does with labels. One instance serves all callers.

    Every call raises UnknownReward and InvalidRequest for names that are not configured, and
    StoreUnavailable while the database cannot be used.
    """

    def __init__(self, database: Database, book: CalibratorBook, rewards: LabelledRewards) -> None:
        self._database = database
        self._book = book
        self._rewards = rewards
        self.noise = NoiseLearner(database, book.refresh)
        """Estimates error rates from labels; auditors hand it what was judged."""
        # Fits are heavy: one at a time leaves the other cores to scoring.
        self._fitting = asyncio.Lock()

    async def record(self, reward: str, scorer: str, some: Sequence[Label]) -> Recorded:
        """Stores labels, all or none of them; the same call again changes nothing.

        Raises:
            InvalidRequest: names the labels and fields that are wrong.
        """
        key = scorer_of(self._rewards, reward, scorer)
        if not some:
            raise InvalidRequest.field("labels", "is empty; send at least one label")
        rows = await asyncio.to_thread(_rows, some)
        replaced = await self._database.write(
            partial(labels.record, reward=key.reward, scorer=key.scorer, rows=rows)
        )
        log.info(
            "labels recorded",
            reward=key.reward,
            scorer=key.scorer,
            labels=len(rows),
            replaced=replaced,
        )
        if any(row.outcome for row in rows):
            self.noise.labels_recorded(key)
        return Recorded(len(rows), replaced)

    async def close(self) -> None:
        """Stops what goes on behind the calls; idempotent."""
        await self.noise.close()

    async def fit(
        self, reward: str, scorer: str, domain: str = "", method: str = ""
    ) -> Calibration:
        """Fits a calibrator on the stored labels and puts it in force on every replica.

        This replica uses it when the call returns, the others when they next look.

        Raises:
            LabelsInsufficient, CalibrationFailed: why the labels do not do.
        """
        key = CalibratorKey(*scorer_of(self._rewards, reward, scorer), domain)
        settings = self._rewards[key.reward][key.scorer]
        method = method or settings.method
        if method not in METHODS:
            raise InvalidRequest.field(
                "method", f"is {method!r}; allowed: {', '.join(sorted(METHODS))}"
            )
        async with self._fitting:
            rows = await self._database.read(
                partial(labels.labels_of, reward=key.reward, scorer=key.scorer)
            )
            fitted = await asyncio.to_thread(fitting.fit, key, method, rows)
            if not settings.from_store:
                fitted = replace(fitted, warnings=(*fitted.warnings, _NOT_USED))
            stored = await self._database.write(
                partial(calibrators.put_in_force, calibrator=fitted)
            )
        await self._book.refresh()
        log.info(
            "calibrator in force",
            reward=key.reward,
            scorer=key.scorer,
            domain=key.domain,
            version=stored.version,
            labels=stored.labels,
        )
        return await asyncio.to_thread(fitting.describe, stored)

    async def calibration(
        self, reward: str, scorer: str, domain: str = "", version: str = ""
    ) -> Calibration:
        """A calibrator: of that version, or the one that samples of the domain get.

        Raises:
            CalibrationUnknown: names the versions there are.
        """
        key = CalibratorKey(*scorer_of(self._rewards, reward, scorer), domain)
        everywhere = key._replace(domain="")
        keys = (key,) if version or key == everywhere else (key, everywhere)
        for each in keys:
            stored = await self._database.read(partial(calibrators.find, key=each, version=version))
            if stored is not None:
                return await asyncio.to_thread(fitting.describe, stored)
        known = await self._database.read(partial(calibrators.versions_of, key=key))
        raise CalibrationUnknown(_unknown(key, version, known))

    async def noise_rates(self, reward: str, scorer: str, domain: str = "") -> NoiseRates:
        """The error rates in force, those of all kinds first; of one domain if it is named.

        Counts every label that this replica has recorded.

        Empty, with an empty version, before anything has been estimated.
        """
        key = scorer_of(self._rewards, reward, scorer)
        await self.noise.settled(key)
        stored = await self._database.read(partial(noise.find, key=key))
        if stored is None:
            return NoiseRates("")
        return rates_of(NoiseEstimate.from_json(stored.payload), domain)


_NOT_USED = (
    "the configuration does not take this scorer's calibrator from the store "
    "(calibration without labels), so results stay as they are"
)


def _rows(some: Sequence[Label]) -> list[LabelRow]:
    check_labels(some)
    return [
        LabelRow(
            label.sample_id,
            label.source.value,
            label.cluster_id,
            label.value,
            label.score,
            "" if label.outcome is None else label.outcome.value,
            label.stage,
            label.answer_type,
            label.domain,
            label.inclusion_probability,
        )
        for label in some
    ]


def _unknown(key: CalibratorKey, version: str, known: Sequence[str]) -> str:
    what = f"scorer {key.scorer!r} of reward {key.reward!r}"
    if key.domain:
        what += f" in domain {key.domain!r}"
    if not known:
        return f"{what} has no calibrator: record labels, then call FitCalibrator"
    return f"{what} has no calibrator {version!r}; there are: {', '.join(known[-10:])}"
