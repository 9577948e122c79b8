"""Labels, calibrations and noise rates: messages to domain types, and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from rewardsvc.errors import InvalidRequest
from rewardsvc.labels.types import (
    Calibration,
    CurvePoint,
    Label,
    LabelSource,
    NoiseRate,
    NoiseRates,
    RateEstimate,
)
from rewardsvc.types import Outcome
from rewardsvc.v1 import label_service_pb2 as pb
from rewardsvc.v1 import result_pb2

_SOURCE_NUMBERS: dict[LabelSource, pb.LabelSource] = {
    source: getattr(pb, f"LABEL_SOURCE_{source.name}") for source in LabelSource
}
_SOURCES = {int(number): source for source, number in _SOURCE_NUMBERS.items()}
_OUTCOME_NUMBERS: dict[Outcome | None, result_pb2.Outcome] = {
    None: result_pb2.OUTCOME_UNSPECIFIED,
    **{outcome: getattr(result_pb2, f"OUTCOME_{outcome.name}") for outcome in Outcome},
}
_OUTCOMES = {int(number): outcome for outcome, number in _OUTCOME_NUMBERS.items()}


# ── labels ───────────────────────────────────────────────────────────────────────────────


def labels_from_message(messages: Iterable[pb.Label]) -> list[Label]:
    """The labels of a request; values are as sent, for `check_labels` to judge.

    Raises InvalidRequest for a source or an outcome that the contract does not know.
    """
    return [_label(message, f"labels[{index}]") for index, message in enumerate(messages)]


def label_message(label: Label) -> pb.Label:
    """The message of a label."""
    return pb.Label(
        sample_id=label.sample_id,
        cluster_id=label.cluster_id,
        value=label.value,
        score=label.score,
        outcome=_OUTCOME_NUMBERS[label.outcome],
        stage=label.stage,
        answer_type=label.answer_type,
        domain=label.domain,
        source=_SOURCE_NUMBERS[label.source],
        inclusion_probability=label.inclusion_probability,
    )


def _label(message: pb.Label, where: str) -> Label:
    source = _SOURCES.get(message.source)
    if source is None:
        allowed = ", ".join(f"LABEL_SOURCE_{source.name}" for source in LabelSource)
        raise InvalidRequest.field(f"{where}.source", f"is {message.source}; allowed: {allowed}")
    if message.outcome not in _OUTCOMES:
        raise InvalidRequest.field(f"{where}.outcome", f"is {message.outcome}, which is no outcome")
    return Label(
        message.sample_id,
        message.value,
        message.score if message.HasField("score") else None,
        source,
        message.cluster_id,
        _OUTCOMES[message.outcome],
        message.stage,
        message.answer_type,
        message.domain,
        message.inclusion_probability,
    )


# ── calibrations ─────────────────────────────────────────────────────────────────────────


def calibration_message(calibration: Calibration) -> pb.Calibration:
    """The message of a calibration."""
    fitted_at = Timestamp()
    fitted_at.FromDatetime(calibration.fitted_at)
    return pb.Calibration(
        version=calibration.version,
        method=calibration.method,
        domain=calibration.domain,
        curve=[
            pb.CurvePoint(
                score=point.score,
                probability=point.probability,
                lower=point.lower,
                upper=point.upper,
            )
            for point in calibration.curve
        ],
        metrics=calibration.metrics,
        labels=calibration.labels,
        clusters=calibration.clusters,
        fitted_at=fitted_at,
        warnings=calibration.warnings,
    )


def calibration_from_message(message: pb.Calibration) -> Calibration:
    """A calibration."""
    return Calibration(
        message.version,
        message.method,
        message.domain,
        tuple(CurvePoint(p.score, p.probability, p.lower, p.upper) for p in message.curve),
        dict(message.metrics),
        message.labels,
        message.clusters,
        message.fitted_at.ToDatetime(UTC)
        if message.HasField("fitted_at")
        else datetime.fromtimestamp(0, UTC),
        tuple(message.warnings),
    )


# ── noise rates ──────────────────────────────────────────────────────────────────────────


def noise_rates_message(rates: NoiseRates) -> pb.GetNoiseRatesResponse:
    """The message of noise rates."""
    return pb.GetNoiseRatesResponse(
        version=rates.version,
        rates=[
            pb.NoiseRate(
                stage=rate.stage,
                answer_type=rate.answer_type,
                domain=rate.domain,
                false_positive_rate=_estimate_message(rate.false_positive_rate),
                false_negative_rate=_estimate_message(rate.false_negative_rate),
            )
            for rate in rates.rates
        ],
    )


def noise_rates_from_message(message: pb.GetNoiseRatesResponse) -> NoiseRates:
    """Noise rates."""
    return NoiseRates(
        message.version,
        tuple(
            NoiseRate(
                rate.stage,
                rate.answer_type,
                rate.domain,
                _estimate(rate.false_positive_rate),
                _estimate(rate.false_negative_rate),
            )
            for rate in message.rates
        ),
    )


def _estimate_message(estimate: RateEstimate) -> pb.RateEstimate:
    return pb.RateEstimate(
        rate=estimate.rate, lower=estimate.lower, upper=estimate.upper, labels=estimate.labels
    )


def _estimate(message: pb.RateEstimate) -> RateEstimate:
    return RateEstimate(message.rate, message.lower, message.upper, message.labels)
