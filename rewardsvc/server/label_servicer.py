"""The LabelService: one short method a call, from message to ledger and back."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from rewardsvc.errors import InvalidRequest
from rewardsvc.labels.errors import StoreNotConfigured
from rewardsvc.labels.ledger import LabelLedger
from rewardsvc.v1 import label_service_pb2 as messages
from rewardsvc.v1 import label_service_pb2_grpc
from rewardsvc.wire.labels import calibration_message, labels_from_message, noise_rates_message

MOST_LABELS = 50_000
"""Labels of one request; clients send more in several."""


class LabelServicer(label_service_pb2_grpc.LabelServiceServicer):
    """Answers by a ledger; without one, every call says that the server keeps no labels."""

    def __init__(self, ledger: LabelLedger | None) -> None:
        self._configured = ledger

    async def RecordLabels(
        self,
        request: messages.RecordLabelsRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> messages.RecordLabelsResponse:
        """Stores labels; the same call again changes nothing."""
        ledger = self._ledger
        if len(request.labels) > MOST_LABELS:
            raise InvalidRequest.field(
                "labels",
                f"are {len(request.labels)}; at most {MOST_LABELS} a request: send several",
            )
        # Tens of thousands of labels take a while to read: not in the event loop.
        labels = await asyncio.to_thread(labels_from_message, request.labels)
        done = await ledger.record(request.reward, request.scorer, labels)
        return messages.RecordLabelsResponse(recorded=done.recorded, replaced=done.replaced)

    async def FitCalibrator(
        self,
        request: messages.FitCalibratorRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> messages.FitCalibratorResponse:
        """Fits on the stored labels and puts the outcome in force."""
        calibration = await self._ledger.fit(
            request.reward, request.scorer, request.domain, request.method
        )
        return messages.FitCalibratorResponse(calibration=calibration_message(calibration))

    async def GetCalibration(
        self,
        request: messages.GetCalibrationRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> messages.GetCalibrationResponse:
        """A calibrator, in force or of a version."""
        calibration = await self._ledger.calibration(
            request.reward, request.scorer, request.domain, request.version
        )
        return messages.GetCalibrationResponse(calibration=calibration_message(calibration))

    async def GetNoiseRates(
        self,
        request: messages.GetNoiseRatesRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> messages.GetNoiseRatesResponse:
        """A verifier's error rates."""
        rates = await self._ledger.noise_rates(request.reward, request.scorer, request.domain)
        return noise_rates_message(rates)

    @property
    def _ledger(self) -> LabelLedger:
        if self._configured is None:
            raise StoreNotConfigured()
        return self._configured
