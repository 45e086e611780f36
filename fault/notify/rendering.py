"""The process that renders one template: a task as JSON on standard input, `{text}` or `{error}` on standard output.

It is started by its path, isolated: without the station's environment and modules, so there is nothing to find in it.
"""

import json
import math
import resource
import sys
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MEMORY_BYTES = 512 << 20


def limit(cpu_s: float) -> None:
    """From now on the kernel ends this process when it takes more processor time, and refuses it more memory."""
    seconds = math.ceil(cpu_s)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file either


def render(text: str, names: dict[str, Any], chars_max: int) -> str:
    """The template's words; TemplateError, or OverflowError when they are too many."""
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)  # not HTML
    parts, chars = [], 0
    for part in environment.from_string(text).generate(**names):
        chars += len(part)
        if chars > chars_max:
            raise OverflowError(f"it gives more than {chars_max} characters")
        parts.append(part)
    return "".join(parts)


def main() -> None:
    task = json.load(sys.stdin)
    limit(task["cpu_s"])
    try:
        answer = {"text": render(task["template"], task["names"], task["chars_max"])}
    except MemoryError:
        answer = {"error": "it takes too much memory"}
    except Exception as error:  # whatever a template does is its author's to know
        answer = {"error": f"{type(error).__name__ if not isinstance(error, TemplateError) else 'line'}: {error}"[:400]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
