"""The sections of the configuration file, checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rewardsvc.monitoring import MonitoringSettings
from rewardsvc.shaping import SHAPERS, ConfidenceFormat, Shaper

MEBIBYTE = 1024 * 1024
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
"""A scorer's or reward's name: letters, digits, `_`, `.` and `-`, at most 128."""


class Strict(BaseModel):
    """Base of every section: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsConfig(Strict):
    """Certificates in PEM files."""

    certificate: Path
    key: Path
    client_authority: Path | None = Field(
        None, description="When given, clients must show a certificate signed by it."
    )


class ServerConfig(Strict):
    """How the server listens, refuses and stops."""

    address: str = Field("127.0.0.1:50051", pattern=r"^(unix:.+|.+:\d{1,5})$")
    """`host:port` (port 0: any free one) or `unix:path`."""
    metrics_address: str | None = Field(None, pattern=r"^.+:\d{1,5}$")
    """Where Prometheus finds `/metrics`; none when absent."""
    tls: TlsConfig | None = None
    max_message_bytes: int = Field(64 * MEBIBYTE, ge=1024, le=1024 * MEBIBYTE)
    stream_messages_in_flight: int = Field(32, ge=1, le=4096)
    """Messages of one stream that are worked on at a time; reading stops meanwhile."""
    drain_delay_seconds: float = Field(0.0, ge=0, le=600)
    """Time between turning NOT_SERVING and refusing new calls, for load balancers to notice."""
    drain_seconds: float = Field(60.0, gt=0, le=3600)
    """Longest wait for accepted requests before they are cancelled."""
    tenant_shares: Mapping[Name, Annotated[float, Field(ge=0.01, le=100)]] = {}
    """Relative share of the engines by tenant; 1 where not named."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    store: str | None = None
    """Where labels, calibrators and noise estimates are kept: `sqlite:///FILE`, relative to
    this file's folder, or `postgresql://user:password@host:port/database`, which several
    replicas can share. `env:NAME` takes the address from an environment variable."""


class CalibrationConfig(Strict):
    """How a component's raw score becomes a probability."""

    method: str = "isotonic"
    labels: Path | None = None
    """JSON lines of {"score": number, "label": number in [0, 1]}; when absent, the calibrator
    is fitted on the labels that LabelService has stored, and picked up when it changes."""


class AuditConfig(Strict):
    """Which samples a second scorer looks at again, to learn how often the first one errs."""

    judge: Name
    """The scorer that looks again; its verdict or score of at least 0.5 counts as right."""
    negatives: float = Field(0.1, gt=0, le=1)
    """Share of the rejected responses that is looked at."""
    positives: float = Field(0.02, gt=0, le=1)
    """Share of the accepted responses that is looked at."""


class NoiseConfig(Strict):
    """What is done about a verifier's errors."""

    mode: Literal["report", "backward", "forward"] = "report"
    """report shows rates and corrections beside the reward; backward puts the unbiased reward
    in its place, forward the forward weight."""
    false_positive_rate: float | None = Field(None, ge=0, lt=1)
    """Known rate at which wrong responses are accepted; when absent, the stored estimate."""
    false_negative_rate: float | None = Field(None, ge=0, lt=1)
    """Known rate at which right responses are rejected; when absent, the stored estimate."""
    prior: float = Field(0.5, gt=0, lt=1)
    """Share of right responses to expect, for the confidence."""
    audit: AuditConfig | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> NoiseConfig:
        given = [self.false_positive_rate, self.false_negative_rate]
        if given.count(None) == 1:
            raise ValueError("give both false_positive_rate and false_negative_rate, or neither")
        if self.is_fixed and sum(rate or 0.0 for rate in given) >= 1:
            raise ValueError("false_positive_rate and false_negative_rate must sum to less than 1")
        return self

    @property
    def is_fixed(self) -> bool:
        """Whether the rates are given here."""
        return self.false_positive_rate is not None


if TYPE_CHECKING:
    ShaperConfig = Shaper
else:
    ShaperConfig = Annotated[reduce(or_, SHAPERS.values()), Field(discriminator="kind")]


class ComponentConfig(Strict):
    """One scorer's part in a reward."""

    scorer: Name
    weight: float = Field(1.0, allow_inf_nan=False)
    calibration: CalibrationConfig | None = None
    noise: NoiseConfig | None = None
    shaping: tuple[ShaperConfig, ...] = ()


class RewardConfig(Strict):
    """A named reward."""

    description: str = ""
    components: tuple[ComponentConfig, ...] = Field(min_length=1)
    combination: str = "weighted_sum"
    confidence: Name | None = None
    """The component whose confidence is the reward's; by default the only one that has one."""
    confidence_rule: str | None = None
    """How the components' confidences make the reward's, instead of `confidence`."""
    abstain_below: float | None = Field(None, gt=0, lt=1)
    """Confidence under which a sample gets no reward."""
    shaping: tuple[ShaperConfig, ...] = ()
    """Steps of shaping, applied in order to the combined reward."""
    stated_confidence: ConfidenceFormat | None = None
    """How responses state their own confidence; the statement is not shown to the scorers."""
    monitoring: MonitoringSettings | None = MonitoringSettings()
    """How the reward is watched for signs of being gamed; null: not at all."""
