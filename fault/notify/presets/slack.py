"""Slack incoming webhooks: blocks of Block Kit, and `text` for where blocks are not shown."""

from typing import Any, Final

from fault.notify.message import Announcement, Preset

HEADER_MAX: Final = 150  # Block Kit: header text
SECTION_MAX: Final = 3_000  # section text
FIELD_MAX: Final = 2_000
EVIDENCE_MAX: Final = 5
NAMES_MAX: Final = 10
_SIGN: Final = {
    "critical": ":red_circle:",
    "major": ":large_orange_circle:",
    "minor": ":large_yellow_circle:",
    "warning": ":large_blue_circle:",
    "indeterminate": ":white_circle:",
}


def escaped(text: str) -> str:
    """The three characters that mean something to Slack: what a device says is not a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def body(it: Announcement) -> dict[str, Any]:
    """A header, what is wrong and why, who is hurt, and where to read more."""
    title = f"{'Over' if it.over else it.severity.capitalize()}: {_name(it)}"
    sign = ":white_check_mark:" if it.over else _SIGN[it.severity]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:HEADER_MAX], "emoji": False}},
        {"type": "section", "text": _mrkdwn(f"{sign} {escaped(it.summary)}{_evidence(it)}", SECTION_MAX)},
    ]
    if fields := _fields(it):
        blocks.append({"type": "section", "fields": fields})
    blocks.append({"type": "context", "elements": [_mrkdwn(_context(it), FIELD_MAX)]})
    return {"text": escaped(f"{title}. {it.summary}")[:SECTION_MAX], "blocks": blocks}


def _mrkdwn(text: str, most: int) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text if len(text) <= most else text[: most - 1] + "…"}


def _name(it: Announcement) -> str:
    if it.about == "incident":
        return str(it.body["root"]["name"] or it.object_id)
    return " ".join(filter(None, (it.body["device"], it.body["object"]))) or it.object_id


def _evidence(it: Announcement) -> str:
    if it.about == "alarm":
        return ""
    return "".join(f"\n• {escaped(line)}" for line in it.body["explanation"]["evidence"][:EVIDENCE_MAX])


def _fields(it: Announcement) -> list[dict[str, str]]:
    if it.about == "alarm":
        return [_mrkdwn(f"*{name.capitalize()}*\n{escaped(it.body[name])}", FIELD_MAX) for name in ("site", "region") if it.body[name]]
    found = []
    for name in ("services", "customers"):
        named, in_all = [escaped(each["name"]) for each in it.body[name][:NAMES_MAX]], it.body["impact"][name]
        if named:
            more = f" and {in_all - len(named)} more" if in_all > len(named) else ""
            found.append(_mrkdwn(f"*{name.capitalize()} hurt: {in_all}*\n{', '.join(named)}{more}", FIELD_MAX))
    return found


def _context(it: Announcement) -> str:
    parts = [f"{it.about} {it.transition}", it.at]
    parts += [f"with it: {escaped(', '.join(other.title for other in it.others[:NAMES_MAX]))}"] if it.others else []
    if it.simulated:
        parts.append("*a simulated network*")
    if it.link:
        parts.append(f"<{it.link}|Open in Trunkline>")
    return "  ·  ".join(parts)


PRESET = Preset("slack", "Slack incoming webhook", body, groups=True)
