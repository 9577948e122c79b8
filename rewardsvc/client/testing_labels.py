"""What the scripted clients do with labels: they keep them, and answer what they were given."""

# ruff: noqa: ASYNC109 - the signatures are those of the real clients

from __future__ import annotations

from collections.abc import Iterable

from rewardsvc.client.labelling import labels_of
from rewardsvc.errors import RewardServiceError
from rewardsvc.labels.checking import LabelLike
from rewardsvc.labels.types import Calibration, Label, LabelSource, NoiseRates, Recorded

_Key = tuple[str, str]


class ScriptedLabels:
    """Labels by reward and scorer, as they were recorded, and scripted answers about them."""

    def __init__(self) -> None:
        self.labels: dict[_Key, dict[tuple[str, LabelSource], Label]] = {}
        """Recorded labels by (reward, scorer), and in that by (sample_id, source)."""
        self.calibrations: dict[tuple[str, str, str], Calibration] = {}
        """What a fit or a question for (reward, scorer, domain) is answered with."""
        self.rates: dict[_Key, NoiseRates] = {}
        """What a question for the noise rates of (reward, scorer) is answered with."""

    def _record_labels(self, reward: str, scorer: str, labels: Iterable[LabelLike]) -> Recorded:
        kept = self.labels.setdefault((reward, scorer), {})
        new = {(label.sample_id, label.source): label for label in labels_of(labels)}
        replaced = sum(kept.get(key, label) != label for key, label in new.items())
        kept.update(new)
        return Recorded(len(new), replaced)

    def _calibration(self, reward: str, scorer: str, domain: str, version: str) -> Calibration:
        found = self.calibrations.get((reward, scorer, domain))
        if found is None or version not in ("", found.version):
            error = RewardServiceError(f"no calibration of {reward!r}, {scorer!r}, {domain!r}")
            error.code, error.reason = "NOT_FOUND", "CALIBRATION_UNKNOWN"
            raise error
        return found

    def _noise_rates(self, reward: str, scorer: str) -> NoiseRates:
        return self.rates.get((reward, scorer), NoiseRates(""))


class ScriptedAsyncLabelCalls(ScriptedLabels):
    """The label calls of AsyncClient."""

    async def record_labels(
        self,
        reward: str,
        labels: Iterable[LabelLike],
        *,
        scorer: str = "",
        timeout: float | None = None,
    ) -> Recorded:
        """As AsyncClient.record_labels."""
        return self._record_labels(reward, scorer, labels)

    async def fit_calibrator(
        self,
        reward: str,
        *,
        scorer: str = "",
        domain: str = "",
        method: str = "",
        timeout: float | None = None,
    ) -> Calibration:
        """The calibration that was given for it."""
        return self._calibration(reward, scorer, domain, "")

    async def calibration(
        self,
        reward: str,
        *,
        scorer: str = "",
        domain: str = "",
        version: str = "",
        timeout: float | None = None,
    ) -> Calibration:
        """The calibration that was given for it."""
        return self._calibration(reward, scorer, domain, version)

    async def noise_rates(
        self, reward: str, *, scorer: str = "", domain: str = "", timeout: float | None = None
    ) -> NoiseRates:
        """The rates that were given for it."""
        return self._noise_rates(reward, scorer)


class ScriptedLabelCalls(ScriptedLabels):
    """The label calls of Client."""

    def record_labels(
        self,
        reward: str,
        labels: Iterable[LabelLike],
        *,
        scorer: str = "",
        timeout: float | None = None,
    ) -> Recorded:
        """As Client.record_labels."""
        return self._record_labels(reward, scorer, labels)

    def fit_calibrator(
        self,
        reward: str,
        *,
        scorer: str = "",
        domain: str = "",
        method: str = "",
        timeout: float | None = None,
    ) -> Calibration:
        """The calibration that was given for it."""
        return self._calibration(reward, scorer, domain, "")

    def calibration(
        self,
        reward: str,
        *,
        scorer: str = "",
        domain: str = "",
        version: str = "",
        timeout: float | None = None,
    ) -> Calibration:
        """The calibration that was given for it."""
        return self._calibration(reward, scorer, domain, version)

    def noise_rates(
        self, reward: str, *, scorer: str = "", domain: str = "", timeout: float | None = None
    ) -> NoiseRates:
        """The rates that were given for it."""
        return self._noise_rates(reward, scorer)
