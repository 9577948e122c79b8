"""Prometheus metrics: what each method, batcher and reward does. Never labelled by request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from rewardsvc.batching.observer import DropReason
from rewardsvc.telemetry.monitors import MonitorCollector
from rewardsvc.types import Monitor, Result, ScorerDescription, Status

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
_TOKENS = tuple(4**power for power in range(2, 12))


class Metrics:
    """All metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.calls_started = Counter(
            "grpc_server_started", "Calls started.", ["grpc_method"], registry=registry
        )
        self.calls_handled = Counter(
            "grpc_server_handled",
            "Calls ended, by status code.",
            ["grpc_method", "grpc_code"],
            registry=registry,
        )
        self.call_seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time from a call's start to its end.",
            ["grpc_method"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._results = Counter(
            "rewardsvc_samples",
            "Samples answered, by reward and status.",
            ["reward", "status"],
            registry=registry,
        )
        self._verdicts = Counter(
            "rewardsvc_verdicts",
            "Verdicts, by reward, outcome and deciding stage.",
            ["reward", "outcome", "stage"],
            registry=registry,
        )
        self._disagreement = Histogram(
            "rewardsvc_ensemble_disagreement",
            "Standard deviation over an ensemble's standardised member scores.",
            ["reward"],
            buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3),
            registry=registry,
        )
        self._batch_samples = Histogram(
            "rewardsvc_batch_samples",
            "Samples in a batch.",
            ["scorer"],
            buckets=_SAMPLES,
            registry=registry,
        )
        self._batch_tokens = Histogram(
            "rewardsvc_batch_tokens",
            "Tokens in a batch.",
            ["scorer"],
            buckets=_TOKENS,
            registry=registry,
        )
        self._inference_seconds = Histogram(
            "rewardsvc_inference_seconds",
            "Time of a batch in the engine.",
            ["scorer"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._queue_seconds = Histogram(
            "rewardsvc_queue_wait_seconds",
            "Longest wait of a batch's groups for the engine.",
            ["scorer"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._batch_failures = Counter(
            "rewardsvc_batch_failures",
            "Batches that raised or were answered in the wrong shape, by error.",
            ["scorer", "error"],
            registry=registry,
        )
        self._dropped = Counter(
            "rewardsvc_dropped_samples",
            "Samples dropped from the queue before any work, by cause.",
            ["scorer", "cause"],
            registry=registry,
        )
        self._queue_depth = Gauge(
            "rewardsvc_queue_depth", "Samples waiting.", ["scorer"], registry=registry
        )

        self._properties = Gauge(
            "rewardsvc_scorer_property",
            "1 for each fact about a scorer, such as its version or isolation level.",
            ["scorer", "property", "value"],
            registry=registry,
        )
        self._children: dict[tuple[Any, ...], Any] = {}
        self._monitors = MonitorCollector()
        registry.register(self._monitors)

    def watch_monitors(self, reward: str, monitors: Callable[[], Sequence[Monitor]]) -> None:
        """Reads a reward's monitors whenever metrics are collected."""
        self._monitors.sources[reward] = monitors

    def watch_store(self, stale_seconds: Callable[[], float]) -> None:
        """Reads how long ago the store confirmed what is in force, on collection."""
        Gauge(
            "rewardsvc_store_stale_seconds",
            "Seconds since the store confirmed the calibrators and error rates in force.",
            registry=self.registry,
        ).set_function(stale_seconds)

    def watch_queue(self, scorer: str, depth: Callable[[], float]) -> None:
        """Reads a batcher's queue depth whenever metrics are collected."""
        self._queue_depth.labels(scorer).set_function(depth)

    def describe_scorer(self, scorer: ScorerDescription) -> None:
        """Shows what is known of a scorer once it has loaded."""
        for name, value in scorer.facts.items():
            self._properties.labels(scorer.name, name, value).set(1)

    def serve(self, address: str) -> Callable[[], None]:
        """Offers `/metrics` at `host:port`; returns what stops it."""
        host, _, port = address.rpartition(":")
        server, thread = start_http_server(int(port), host or "0.0.0.0", self.registry)  # noqa: S104

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop

    def observe_results(self, reward: str, results: list[list[Result]]) -> dict[Status, int]:
        """Counts the statuses, which it returns, verdicts and disagreement of one request."""
        ok = 0  # counted apart: hashing an enum member for every sample is dear
        statuses: dict[Status, int] = {}
        verdicts: dict[tuple[str, str], int] = {}
        disagreement = self._child(self._disagreement, reward)
        for group in results:
            for result in group:
                if result.status is Status.OK:
                    ok += 1
                else:
                    statuses[result.status] = statuses.get(result.status, 0) + 1
                if result.verdict is not None:
                    key = (result.verdict.outcome, result.verdict.stage)
                    verdicts[key] = verdicts.get(key, 0) + 1
                if result.disagreement is not None:
                    disagreement.observe(result.disagreement)
        if ok:
            statuses[Status.OK] = ok
        for status, count in statuses.items():
            self._child(self._results, reward, status.value).inc(count)
        for (outcome, stage), count in verdicts.items():
            self._child(self._verdicts, reward, outcome, stage).inc(count)
        return statuses

    # ── BatchObserver ───────────────────────────────────────────────────────────────────

    def batch_finished(
        self,
        name: str,
        *,
        groups: int,
        samples: int,
        tokens: int,
        longest_queue_seconds: float,
        seconds: float,
    ) -> None:
        """One batch was scored."""
        for histogram, value in (
            (self._batch_samples, samples),
            (self._batch_tokens, tokens),
            (self._queue_seconds, longest_queue_seconds),
            (self._inference_seconds, seconds),
        ):
            self._child(histogram, name).observe(value)

    def batch_failed(self, name: str, *, groups: int, samples: int, error: str) -> None:
        """One batch raised or was answered in the wrong shape."""
        self._batch_failures.labels(name, error).inc()

    def dropped(self, name: str, *, samples: int, why: DropReason) -> None:
        """Samples left the queue without any work."""
        self._dropped.labels(name, why).inc(samples)

    def _child(self, metric: Any, *labels: str) -> Any:
        """The child of a metric; looking it up in the library takes a lock and much longer."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child
