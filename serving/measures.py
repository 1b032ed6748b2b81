"""What the server counts, for Prometheus; each app has a collection of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCIES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Measures:
    """Counts of one app."""

    def __init__(self) -> None:
        self.collected = CollectorRegistry()
        self.requests = Counter("wonlost_requests", "Requests by route, method and status.",
                                ["route", "method", "status"], registry=self.collected)  # fmt: skip
        self.seconds = Histogram("wonlost_request_seconds", "Seconds from the request's head to the answer's end.",
                                 ["route"], buckets=LATENCIES, registry=self.collected)  # fmt: skip
        self.model = Gauge("wonlost_model_version", "Version of the model that serves; 0 without one.",
                           registry=self.collected)  # fmt: skip
        self.imported = Gauge("wonlost_store_import", "Number of the import that serves; 0 without one.",
                              registry=self.collected)  # fmt: skip
        self.scored = Counter("wonlost_deals_scored", "Deals scored for answers.", registry=self.collected)
        self.failures = Gauge("wonlost_refresh_failures", "Looks at the store or the registry that failed so far.",
                              registry=self.collected)  # fmt: skip

    def text(self) -> bytes:
        """All counts in Prometheus' text format."""
        return generate_latest(self.collected)
