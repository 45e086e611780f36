"""A short message by an HTTP gateway that takes JSON: {to: [...], from, text}. Others are reached with a template."""

from typing import Any, Final

from fault.notify.message import Announcement, Preset

TEXT_MAX: Final = 459  # three parts of 153 characters (3GPP TS 23.038, 23.040)


def body(it: Announcement) -> dict[str, Any]:
    numbers = [each.strip() for each in it.options.get("to", "").split(",") if each.strip()]
    more = f" (+{len(it.others)} more)" if it.others else ""
    link = f" {it.ack_url}" if it.ack_url and not it.over else ""
    answer = f" Answer: ack {it.reply_code}" if it.takes_answers else ""
    tail = f"{more} [{it.object_id}]{link}{answer}"
    text = f"{it.title}. {it.summary}"
    return {"to": numbers, "from": it.options.get("from", ""), "text": text[: max(0, TEXT_MAX - len(tail))] + tail}


OPTIONS: Final = {"to": "telephone numbers, by comma", "from": "the sender that is shown"}
PRESET = Preset("sms", "Short message by an HTTP gateway", body, options=OPTIONS, required=("to",), groups=True)
