"""At the edge: what cannot be asked, and a store that does not answer, are answers too."""

from collections.abc import Iterator
from contextlib import contextmanager

from perf.query import QueryError
from station.telemetry.client import TelemetryUnavailableError
from station.web import ProblemError


@contextmanager
def asking() -> Iterator[None]:
    """Around a question to the telemetry store: 422 says why it is none, 503 that the store does not answer now."""
    try:
        yield
    except QueryError as error:
        raise ProblemError(422, "Not a question", str(error)) from error
    except TelemetryUnavailableError as error:
        raise ProblemError(503, "No answer from the telemetry store", "Samples are kept meanwhile; ask again in a few seconds.") from error
