"""The data files of this package: what rules have in common, and whatever is wrong in one told with its file, line and key."""

import difflib
import tomllib
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from station.batch import Event
from station.catalogue import Metric, metrics_by_name
from station.settings import Fault, Settings, SettingsError, faults_of
from station.toml_positions import positions

S = TypeVar("S", bound=Settings)


class AlarmWords(Settings):
    """What a rule's file says of the alarm that it raises (RFC 8632, X.733)."""

    summary: str
    reference: str
    alarm_type: str
    qualifier: str = ""
    perceived_severity: Literal["critical", "major", "minor", "warning", "indeterminate"]
    event_type: str = "qualityOfServiceAlarm"
    probable_cause: str = "thresholdCrossed"
    proposed_repair: str = ""

    def event(self, time_ns: int, resource: str, said: str, source: str, *, raised: bool) -> Event:
        """The alarm change that fault is told, with the reason behind the summary."""
        return Event(
            time_ns=time_ns,
            resource=resource,
            alarm_type=self.alarm_type,
            severity=self.perceived_severity if raised else "cleared",
            text=f"{self.summary}: {said}",
            qualifier=self.qualifier,
            source=source,
            event_type=self.event_type,
            probable_cause=self.probable_cause,
            proposed_repair=self.proposed_repair,
        )


def load(model: type[S], path: Path) -> S:
    """One file; SettingsError names file, line and key."""
    text = path.read_text(encoding="utf-8")
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(Fault(path.name, 0, "", str(error))) from error
    except ValidationError as error:
        raise SettingsError(*faults_of(error, model, path.name, text)) from error


def metric(name: str, path: Path, key: str) -> Metric:
    """A metric that a file names under a key; SettingsError with the nearest name where the catalogue has none."""
    known = metrics_by_name().get(name)
    if known is None:
        near = difflib.get_close_matches(name, metrics_by_name(), 1)
        line = positions(path.read_text(encoding="utf-8")).get(tuple(key.split(".")), 1)
        raise SettingsError(Fault(path.name, line, key, f"{name!r} is no metric" + (f"; nearest: {near[0]}" if near else "")))
    return known
