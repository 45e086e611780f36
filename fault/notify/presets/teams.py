"""Microsoft Teams by a Workflow's URL: a message with one Adaptive Card (connectors were retired in 2026)."""

from typing import Any, Final

from fault.notify.message import Announcement, Preset

TEXT_MAX: Final = 20_000  # a message has at most 28 KB
_COLOUR: Final = {"critical": "attention", "major": "attention", "minor": "warning", "warning": "accent", "indeterminate": "default"}


def body(it: Announcement) -> dict[str, Any]:
    colour = "good" if it.over else _COLOUR[it.severity]
    title = {"type": "TextBlock", "text": plain(it.title), "weight": "bolder", "size": "medium", "wrap": True, "color": colour}
    text = {"type": "TextBlock", "text": plain(it.text)[:TEXT_MAX].replace("\n", "\n\n"), "wrap": True}
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, text],
        "actions": [{"type": "Action.OpenUrl", "title": "Open in Trunkline", "url": it.link}] if it.link else [],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def plain(text: str) -> str:
    """Without what a TextBlock reads as a link: what a device says is not one."""
    return text.replace("[", "(").replace("]", ")")


PRESET = Preset("teams", "Microsoft Teams workflow", body, groups=True)
