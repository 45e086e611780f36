"""OTLP metrics over HTTP (OTLP 1.x): ExportMetricsServiceRequest as protobuf or JSON.

Gauges and cumulative sums are taken, numbers only; deltas, histograms and summaries are counted and left out: there is no exact
counter in them. Attributes of the resource and of the point are labels.
"""

import gzip
import io
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from perf.incoming.points import IncomingError, Told
from perf.metrics import INCOMING

PLAIN_MAX: Final = 64 << 20  # octets after gzip
NO_RECORDED_VALUE: Final = 1  # DataPointFlags
JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"


def told(body: bytes, content_type: str, encoding: str) -> list[Told]:
    """The series of one request; IncomingError where it is none."""
    plain = _plain(body, encoding)
    message = ExportMetricsServiceRequest()
    try:
        if content_type.partition(";")[0].strip() == JSON:
            json_format.Parse(plain, message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(plain)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError) as error:
        raise IncomingError("this is no ExportMetricsServiceRequest") from error
    return list(_series(message))


def _plain(body: bytes, encoding: str) -> bytes:
    if encoding != "gzip":
        return body
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(body)).read(PLAIN_MAX + 1)
    except (OSError, EOFError) as error:
        raise IncomingError("this is not gzip") from error
    if len(plain) > PLAIN_MAX:
        raise IncomingError(f"more than {PLAIN_MAX} octets after gzip")
    return plain


def _series(message: Any) -> Iterator[Told]:
    for resource in message.resource_metrics:
        about = _labels(resource.resource.attributes)
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in _points(metric):
                    if point.flags & NO_RECORDED_VALUE:
                        continue
                    value = float(point.as_int) if point.WhichOneof("value") == "as_int" else point.as_double
                    labels = tuple(sorted((about | _labels(point.attributes)).items()))
                    yield Told(metric.name, labels, ((point.time_unix_nano, value),), metric.unit)


def _points(metric: Metric) -> Any:
    kind = metric.WhichOneof("data")
    if kind == "gauge":
        return metric.gauge.data_points
    if kind == "sum" and metric.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE:
        return metric.sum.data_points
    INCOMING.labels("delta" if kind == "sum" else "histogram").inc()
    return ()


def _labels(attributes: Any) -> dict[str, str]:
    return {one.key: _text(one.value) for one in attributes}


def _text(value: Any) -> str:
    kind = value.WhichOneof("value")
    return str(getattr(value, kind)) if kind in ("string_value", "int_value", "double_value", "bool_value") else ""
