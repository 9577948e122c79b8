"""What can go wrong with a request about labels, besides the errors of every request."""

from __future__ import annotations

from rewardsvc.errors import RewardServiceError


class CalibrationUnknown(RewardServiceError):
    """There is no such calibrator or noise estimate; says which there are."""

    code = "NOT_FOUND"
    reason = "CALIBRATION_UNKNOWN"


class StoreNotConfigured(RewardServiceError):
    """The server keeps no labels."""

    code = "FAILED_PRECONDITION"
    reason = "STORE_NOT_CONFIGURED"

    def __init__(self) -> None:
        super().__init__(
            "this server keeps no labels: its configuration has no server.store "
            "(sqlite:///path or postgresql://…)"
        )


class LabelsInsufficient(RewardServiceError):
    """The stored labels do not support what was asked for; says why."""

    code = "FAILED_PRECONDITION"
    reason = "LABELS_INSUFFICIENT"
