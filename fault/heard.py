"""In a flood the same messages come again and again: what one means is worked out once, as long as the network stays the same."""

from collections.abc import Iterable
from typing import Any, Final, Protocol

from fault.resources import Resources
from station.batch import Event, Fields, Notification
from station.metrics import counter

KEPT_MEANINGS: Final = 20_000  # messages whose meaning is remembered; then remembering begins anew
REPEATED = counter("notifications_repeated", "Messages that said again what was known: counted here, not by what they mean.", "protocol")


class Interpreter(Protocol):
    """Turns messages into events: the rules."""

    def events(self, notifications: Iterable[Notification], resources: Resources) -> tuple[list[Event], set[int]]:
        """The events, and the devices whose messages ask for a verifying poll without being an event."""
        ...


class Heard:
    """An interpreter that asks another only about messages that are new to it. An event keeps its own message's time."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._resources: Resources | None = None
        self._meant: dict[tuple[Any, ...], tuple[list[tuple[Any, ...]], set[int]]] = {}

    def events(self, notifications: Iterable[Notification], resources: Resources) -> tuple[list[Event], set[int]]:
        if resources is not self._resources or len(self._meant) >= KEPT_MEANINGS:
            self._resources, self._meant = resources, {}
        made: list[Event] = []
        ask: set[int] = set()
        repeated: dict[str, int] = {}
        for message in notifications:
            key = _said(message)
            found = self._meant.get(key)
            if found is None:
                found = self._meant[key] = self._ask(message, resources)
            else:
                repeated[message.protocol] = repeated.get(message.protocol, 0) + 1
            made += [Event(message.time_ns, *rest) for rest in found[0]]
            ask |= found[1]
        for protocol, n in repeated.items():
            REPEATED.labels(protocol).inc(n)
        return made, ask

    def _ask(self, message: Notification, resources: Resources) -> tuple[list[tuple[Any, ...]], set[int]]:
        events, ask = self._interpreter.events((message,), resources)
        return [tuple(getattr(event, name) for name in _REST) for event in events], ask


_REST: Final = tuple(name for name in Event.__dataclass_fields__ if name != "time_ns")
assert next(iter(Event.__dataclass_fields__)) == "time_ns"


def _said(message: Notification) -> tuple[Any, ...]:
    """Everything that a message says but its time."""
    fields = message.fields if isinstance(message.fields, Fields) else Fields(message.fields)
    return message.protocol, message.name, message.device, message.source, message.authenticated, message.text, fields
