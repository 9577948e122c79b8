"""What is watched against reward hacking, as Prometheus sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from rewardsvc.types import Monitor

__all__ = ["MonitorCollector"]

_LABELS = ("reward", "scorer", "monitor")


class MonitorCollector(Collector):
    """Reads every reward's monitors when metrics are collected."""

    def __init__(self) -> None:
        self.sources: dict[str, Callable[[], Sequence[Monitor]]] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge of values and one of alarms; monitors without a value yet are left out."""
        values = GaugeMetricFamily(
            "rewardsvc_monitor", "A figure watched against reward hacking.", labels=_LABELS
        )
        alarms = GaugeMetricFamily(
            "rewardsvc_monitor_alarm", "1 while the figure is beyond its threshold.", labels=_LABELS
        )
        for reward, monitors in self.sources.items():
            for monitor in monitors():
                if monitor.value is not None:
                    names = (reward, monitor.scorer, monitor.name)
                    values.add_metric(names, monitor.value)
                    alarms.add_metric(names, float(monitor.alarm))
        yield values
        yield alarms
