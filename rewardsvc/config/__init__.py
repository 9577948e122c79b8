"""Strict configuration from YAML."""

from rewardsvc.config.load import Config, ScorerSpec, load_config, parse_config, with_address
from rewardsvc.config.sections import (
    MEBIBYTE,
    AuditConfig,
    CalibrationConfig,
    ComponentConfig,
    NoiseConfig,
    RewardConfig,
    ServerConfig,
    TlsConfig,
)

__all__ = [
    "MEBIBYTE",
    "AuditConfig",
    "CalibrationConfig",
    "ComponentConfig",
    "Config",
    "NoiseConfig",
    "RewardConfig",
    "ScorerSpec",
    "ServerConfig",
    "TlsConfig",
    "load_config",
    "parse_config",
    "with_address",
]
