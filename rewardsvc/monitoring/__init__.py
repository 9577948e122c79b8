"""Watching for reward hacking: drift, disagreement, and what audits say of the proxy."""

from rewardsvc.monitoring.comparison import starc_distance
from rewardsvc.monitoring.watcher import MonitoringSettings, RewardWatcher

__all__ = ["MonitoringSettings", "RewardWatcher", "starc_distance"]
