"""The station's own health as Prometheus metrics (`trunkline_*`); device series have an encoder of their own in `perf`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()


def counter(name: str, help_text: str, *labels: str) -> Counter:
    """A counter in the station's registry; the client adds the suffix _total."""
    return Counter(f"trunkline_{name}", help_text, labels, registry=REGISTRY)


def gauge(name: str, help_text: str, *labels: str) -> Gauge:
    """A gauge in the station's registry."""
    return Gauge(f"trunkline_{name}", help_text, labels, registry=REGISTRY)


def histogram(name: str, help_text: str, *labels: str, buckets: tuple[float, ...] = Histogram.DEFAULT_BUCKETS) -> Histogram:
    """A histogram in the station's registry."""
    return Histogram(f"trunkline_{name}", help_text, labels, registry=REGISTRY, buckets=buckets)


CHANNEL_DEPTH = gauge("channel_depth", "Items waiting in a channel.", "channel")
CHANNEL_PASSED = counter("channel_passed", "Items taken from a channel.", "channel")
CHANNEL_DROPPED = counter("channel_dropped", "Items a full channel dropped by its policy.", "channel", "policy")
