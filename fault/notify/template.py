"""A user's own words: a Jinja template, rendered in a process of its own that is bounded in time and memory.

Jinja's sandbox keeps a template from the station's objects but not from looping; only another process can
be ended. `fault.notify.rendering` is what runs there.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from fault.notify import rendering
from fault.notify.message import Announcement, PresetError
from fault.notify.settings import NotifySettings

NAME: Final = "template"
AT_ONCE_MAX: Final = 2
_turns = asyncio.Semaphore(AT_ONCE_MAX)


def context(it: Announcement) -> dict[str, Any]:
    """The names a template may use."""
    return {
        "id": it.id,
        "about": it.about,
        "transition": it.transition,
        "revision": it.revision,
        "at": it.at,
        "severity": it.severity,
        "summary": it.summary,
        "link": it.link,
        "simulated": it.simulated,
        "over": it.over,
        it.about: it.body,
    }


async def render(text: str, names: Mapping[str, Any], content_type: str, settings: NotifySettings) -> str:
    """What the template says; PresetError with the reason when it fails, takes too long or is no JSON where that is promised."""
    if len(text) > settings.template_chars_max:
        raise PresetError(f"A template has at most {settings.template_chars_max} characters.")
    task = {"template": text, "names": names, "chars_max": settings.template_output_chars_max, "cpu_s": settings.template_s}
    async with _turns:
        answer = await _in_child(json.dumps(task).encode(), settings.template_s)
    if "error" in answer:
        raise PresetError(f"The template: {answer['error']}")
    if content_type.partition(";")[0].strip().endswith("json"):
        _require_json(answer["text"])
    return str(answer["text"])


async def _in_child(task: bytes, within_s: float) -> dict[str, Any]:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", rendering.__file__, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env={}
    )
    try:
        async with asyncio.timeout(within_s + 5):  # the child ends itself by its processor time; this is the second belt
            out, _ = await child.communicate(task)
    except TimeoutError:
        out = b""
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode or not out:
        raise PresetError(f"The template: it takes more than {within_s:g} s or too much memory.")
    answer: dict[str, Any] = json.loads(out)
    return answer


def _require_json(text: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise PresetError(f"The template: what it gives is not JSON: {error}") from error
