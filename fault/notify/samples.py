"""The message of a test: complete, and plainly not a real one."""

from fault.alarms import Alarm, Place, Severity
from fault.correlation.contract import Explanation, RootCandidate
from fault.incidents import Incident
from fault.notify.message import Announcement
from fault.notify.routes import About, incident_body
from fault.views import alarm_json
from station.ids import new_id
from station.web import iso

SAYS = "This is a test message: nothing is broken."


def announcement(about: About, now_ns: int, webhook: str = "") -> Announcement:
    """An announcement as one of this kind looks."""
    body = incident_body(_incident(now_ns)) if about == "incidents" else alarm_json(_alarm(now_ns))
    kind, transition = ("incident", "opened") if about == "incidents" else ("alarm", "raised")
    return Announcement(new_id(now_ns), kind, body["id"], transition, 1, iso(now_ns) or "", body, webhook)


def _incident(now_ns: int) -> Incident:
    root = RootCandidate("test", "link", "test-a - test-b")
    says = Explanation(SAYS, ("Someone pressed Send test.",), (), ("Nothing else is known.",))
    return Incident(
        new_id(now_ns),
        now_ns,
        now_ns,
        (root,),
        1.0,
        verdict="down",
        explanation=says,
        severity=int(Severity.WARNING),
        services=(("test-service", "Test service", "Test customer"),),
        customers=(("test-customer", "Test customer"),),
    )


def _alarm(now_ns: int) -> Alarm:
    place = Place("interface", "test", "test-a", "test-interface", "Test site", "Test region")
    return Alarm(new_id(now_ns), "test", "communications.link_down", "", place, Severity.WARNING, now_ns, now_ns, now_ns, now_ns, text=SAYS)
