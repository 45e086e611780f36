"""Operational state by NETCONF: what to ask a server for (RFC 6241, 6: subtree filters), and its answer as flat leaves. No I/O.

A model is one file of `config/netconf`: a YANG list, its key, and which leaf of it is which metric.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from collectors.codecs.netconf_xml import DEPTH_MAX, name_of, parsed
from station.catalogue import Metric, metrics_by_name

LEAVES_MAX: Final = 200_000
_LIBRARY: Final = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
_MONITORING: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
# Where servers list their modules, by what their hello says of it: RFC 8525, RFC 7895, RFC 6022 (schemas).
LIBRARIES: Final = (
    (":yang-library:1.1", f'<yang-library xmlns="{_LIBRARY}"><module-set><module><name/><revision/></module></module-set></yang-library>'),
    (":yang-library:1.0", f'<modules-state xmlns="{_LIBRARY}"><module><name/><revision/></module></modules-state>'),
    (_MONITORING, f'<netconf-state xmlns="{_MONITORING}"><schemas><schema><identifier/><version/></schema></schemas></netconf-state>'),
)
STREAMS: Final = '<netconf xmlns="urn:ietf:params:xml:ns:netmod:notification"><streams/></netconf>'
_MODULE = re.compile(r"[?&]module=([^&]+)")
_REVISION = re.compile(r"[?&]revision=([^&]+)")


@dataclass(frozen=True, slots=True)
class NetconfModel:
    """`steps` lead from the data root to the list; `metrics` are by path below a list entry. `since` and `before` are revisions."""

    name: str
    module: str
    namespace: str
    since: str
    before: str
    steps: tuple[str, ...]
    key: str
    metrics: Mapping[str, Metric]
    states: Mapping[str, int]
    narrow: frozenset[str] = frozenset()  # leaves that the module types counter32; its other counters are counter64

    def serves(self, modules: Mapping[str, str]) -> bool:
        """Whether a server with these modules (name to revision) has the list."""
        revision = modules.get(self.module)
        return revision is not None and self.since <= revision and not (self.before and revision >= self.before)

    @property
    def subtree(self) -> str:
        """The filter: just the key and the leaves that are metrics, so that a large box answers with what is wanted."""
        opened = "".join(f"<{step}>" for step in self.steps[1:])
        closed = "".join(f"</{step}>" for step in reversed(self.steps))
        wanted = _nested((self.key, *self.metrics))
        return f"<{self.steps[0]} xmlns={quoteattr(self.namespace)}>{opened}{wanted}{closed}"

    @property
    def xpath(self) -> tuple[dict[str, str], str]:
        """The same as an XPath filter (RFC 6241, 8.9): (namespaces by prefix, expression)."""
        entry = "".join(f"/m:{step}" for step in self.steps)
        wanted = ("/".join(f"m:{step}" for step in path.split("/")) for path in (self.key, *self.metrics))
        return {"m": self.namespace}, " | ".join(f"{entry}/{path}" for path in wanted)


def _nested(paths: Iterable[str]) -> str:
    """The elements of these paths, siblings below one parent: some servers do not take a container twice."""
    below: dict[str, list[str]] = {}
    for path in paths:
        step, _, rest = path.partition("/")
        below.setdefault(step, []).extend([rest] if rest else [])
    return "".join(f"<{step}>{_nested(rest)}</{step}>" if rest else f"<{step}/>" for step, rest in below.items())


def load(path: Path) -> NetconfModel:
    data = tomllib.loads(path.read_text())
    by_name = metrics_by_name()
    return NetconfModel(
        name=path.stem,
        module=data["module"],
        namespace=data["namespace"],
        since=data.get("since", ""),
        before=data.get("before", ""),
        steps=tuple(data["list"].strip("/").split("/")),
        key=data["key"],
        narrow=frozenset(data.get("counter32", ())),
        metrics={leaf: by_name[name] for leaf, name in data["metrics"].items()},
        states=data["states"],
    )


def modules_of(capabilities: Iterable[str]) -> dict[str, str]:
    """Module names and revisions that a hello announces (RFC 6020, 5.6.4); several revisions: the newest."""
    found: dict[str, str] = {}
    for capability in capabilities:
        module, revision = _MODULE.search(capability), _REVISION.search(capability)
        if module is not None:
            found[module[1]] = max(found.get(module[1], ""), revision[1] if revision else "")
    return found


def library_modules(reply: str) -> dict[str, str]:
    """The same from a reply to one of LIBRARIES, for servers whose hello names only that."""
    found: dict[str, str] = {}
    for element in parsed(reply).iter(f"{{{_LIBRARY}}}module", f"{{{_MONITORING}}}schema"):
        texts = {name_of(child): (child.text or "").strip() for child in element}
        name, revision = texts.get("name") or texts.get("identifier", ""), texts.get("revision") or texts.get("version", "")
        found[name] = max(found.get(name, ""), revision)
    return found


def streams_of(reply: str) -> dict[str, bool]:
    """Event streams (RFC 5277, 3.2.5.1) in a reply to STREAMS: whether each can be replayed."""
    found: dict[str, bool] = {}
    for element in parsed(reply).iter("{urn:ietf:params:xml:ns:netmod:notification}stream"):
        texts = {name_of(child): (child.text or "").strip() for child in element}
        if texts.get("name"):
            found[texts["name"]] = texts.get("replaySupport") == "true"
    return found


def leaves(reply: str, model: NetconfModel) -> Iterator[tuple[str, str, str]]:
    """(key, path below the list entry, text) of every leaf in a reply's data, at most LEAVES_MAX; DecodeError when it is no XML."""
    level: list[etree._Element] = [child for data in parsed(reply).iter("{*}data") for child in data]
    for step in model.steps[:-1]:
        level = [child for element in level if name_of(element) == step for child in element]
    left = LEAVES_MAX
    for entry in level:
        if name_of(entry) != model.steps[-1]:
            continue
        key = next(((child.text or "").strip() for child in entry if name_of(child) == model.key), "")
        for path, text in _below(entry, (), DEPTH_MAX):
            if left == 0:
                return
            left -= 1
            yield key, path, text


def _below(element: etree._Element, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, str]]:
    for child in element:
        at = (*path, name_of(child))
        if len(child) and depth:
            yield from _below(child, at, depth - 1)
        else:
            yield "/".join(at), (child.text or "").strip()
