"""What the API counts, for Prometheus."""

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """Counters of one server; `registry` is what /metrics shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "fewfit_requests_total", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "fewfit_request_seconds",
            "Time to answer a request.",
            ["method", "route"],
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60),
            registry=self.registry,
        )
        self.in_flight = Gauge("fewfit_requests_in_flight", "Requests being answered.", registry=self.registry)
        self.texts = Counter("fewfit_texts_total", "Texts classified.", ["mode"], registry=self.registry)
        self.texts_per_request = Histogram(
            "fewfit_texts_per_request",
            "Texts in a classify request.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 96),
            registry=self.registry,
        )
        # Finding the counters of some labels takes longer than counting.
        self._of = lru_cache(maxsize=4096)(self._counters)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        requests, latency = self._of(method, route, status)
        requests.inc()
        latency.observe(seconds)

    def _counters(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self.requests.labels(method, route, str(status)), self.latency.labels(method, route)
