"""The clients' calls about labels, calibrators and noise rates."""

# ruff: noqa: ASYNC109 - a timeout is part of every call: it becomes the server's deadline

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rewardsvc.client.background import Background
from rewardsvc.client.retry import Deadline
from rewardsvc.labels.checking import LabelLike, check_labels, label_of
from rewardsvc.labels.types import Calibration, Label, NoiseRates, Recorded
from rewardsvc.v1 import label_service_pb2 as pb
from rewardsvc.wire.labels import calibration_from_message, label_message, noise_rates_from_message

LABELS_A_REQUEST = 5_000


class AsyncLabelCalls:
    """What AsyncClient can do with labels."""

    async def _call(self, method: str, request: Any, deadline: Deadline) -> Any:
        raise NotImplementedError

    def _deadline(self, timeout: float | None) -> Deadline:
        raise NotImplementedError

    async def record_labels(
        self,
        reward: str,
        labels: Iterable[LabelLike],
        *,
        scorer: str = "",
        timeout: float | None = None,
    ) -> Recorded:
        """Stores gold labels of samples that a reward scored; any number of them.

        A label takes the place of an earlier one of the same sample and source. Many go in
        several requests; where one of them fails, those before it are stored, and sending all
        of them again is safe.

        Args:
            reward: Name of the reward.
            labels: Labels, or mappings with their keys.
            scorer: The scorer that gave the scores or verdicts; empty when it has only one.
            timeout: Seconds for the whole call, retries included; None: the client's.

        Raises:
            InvalidRequest: Names the label and the field.
            UnknownReward: Lists the rewards there are.
            Unavailable: The store could not be used, after all retries.
            RewardServiceError: of code FAILED_PRECONDITION where the server keeps no labels.
        """
        checked = labels_of(labels)
        deadline = self._deadline(timeout)
        recorded = replaced = 0
        for part in _parts(checked):
            request = pb.RecordLabelsRequest(
                reward=reward, scorer=scorer, labels=[label_message(label) for label in part]
            )
            answer = await self._call("RecordLabels", request, deadline)
            recorded += answer.recorded
            replaced += answer.replaced
        return Recorded(recorded, replaced)

    async def fit_calibrator(
        self,
        reward: str,
        *,
        scorer: str = "",
        domain: str = "",
        method: str = "",
        timeout: float | None = None,
    ) -> Calibration:
        """Fits a calibrator on the stored labels and puts it in force on every replica.

        Args:
            reward: Name of the reward.
            scorer: The scorer to calibrate; empty when the reward has only one.
            domain: Fit on this domain's labels, for this domain; empty: on all, for all.
            method: E.g. `isotonic`; empty: the configured one.
            timeout: Seconds for the whole call, retries included; None: the client's.

        Raises:
            RewardServiceError: of code FAILED_PRECONDITION where the labels do not do; says why.
        """
        request = pb.FitCalibratorRequest(
            reward=reward, scorer=scorer, domain=domain, method=method
        )
        answer = await self._call("FitCalibrator", request, self._deadline(timeout))
        return calibration_from_message(answer.calibration)

    async def calibration(
        self,
        reward: str,
        *,
        scorer: str = "",
        domain: str = "",
        version: str = "",
        timeout: float | None = None,
    ) -> Calibration:
        """A calibrator's curve, metrics and labels: the one in force, or an older version.

        Raises:
            RewardServiceError: of code NOT_FOUND where there is none.
        """
        request = pb.GetCalibrationRequest(
            reward=reward, scorer=scorer, domain=domain, version=version
        )
        answer = await self._call("GetCalibration", request, self._deadline(timeout))
        return calibration_from_message(answer.calibration)

    async def noise_rates(
        self, reward: str, *, scorer: str = "", domain: str = "", timeout: float | None = None
    ) -> NoiseRates:
        """How often a verifier errs, by kind of sample."""
        request = pb.GetNoiseRatesRequest(reward=reward, scorer=scorer, domain=domain)
        answer = await self._call("GetNoiseRates", request, self._deadline(timeout))
        return noise_rates_from_message(answer)


class LabelCalls:
    """What Client can do with labels: the calls of AsyncClient, waited for."""

    _client: AsyncLabelCalls
    _background: Background

    def record_labels(
        self,
        reward: str,
        labels: Iterable[LabelLike],
        *,
        scorer: str = "",
        timeout: float | None = None,
    ) -> Recorded:
        """Stores gold labels. See AsyncClient.record_labels."""
        return self._background.run(
            self._client.record_labels(reward, list(labels), scorer=scorer, timeout=timeout)
        )

    def fit_calibrator(
        self,
        reward: str,
        *,
        scorer: str = "",
        domain: str = "",
        method: str = "",
        timeout: float | None = None,
    ) -> Calibration:
        """Fits a calibrator and puts it in force. See AsyncClient.fit_calibrator."""
        return self._background.run(
            self._client.fit_calibrator(
                reward, scorer=scorer, domain=domain, method=method, timeout=timeout
            )
        )

    def calibration(
        self,
        reward: str,
        *,
        scorer: str = "",
        domain: str = "",
        version: str = "",
        timeout: float | None = None,
    ) -> Calibration:
        """A calibrator, in force or of a version. See AsyncClient.calibration."""
        return self._background.run(
            self._client.calibration(
                reward, scorer=scorer, domain=domain, version=version, timeout=timeout
            )
        )

    def noise_rates(
        self, reward: str, *, scorer: str = "", domain: str = "", timeout: float | None = None
    ) -> NoiseRates:
        """How often a verifier errs. See AsyncClient.noise_rates."""
        return self._background.run(
            self._client.noise_rates(reward, scorer=scorer, domain=domain, timeout=timeout)
        )


def labels_of(values: Iterable[LabelLike]) -> list[Label]:
    """The labels of one call, checked; raises InvalidRequest naming label and field."""
    labels = [label_of(value, f"labels[{index}]") for index, value in enumerate(values)]
    check_labels(labels)
    return labels


def _parts(labels: Sequence[Label]) -> Iterator[Sequence[Label]]:
    """At least one part, so that the server also judges the names of a call without labels."""
    for start in range(0, max(len(labels), 1), LABELS_A_REQUEST):
        yield labels[start : start + LABELS_A_REQUEST]
