"""Vendor MIB modules made into module facts by pysmi: offline, one bad module costs only itself, nothing compiled twice.

What a module imports comes from its own folder, else from stubs made of the facts already there: the standard
modules' texts are not needed. The layout of the result is `collectors.mibs`'s; descriptions are left out.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pysmi.codegen.jsondoc import JsonCodeGen
from pysmi.compiler import MibCompiler
from pysmi.error import PySmiError
from pysmi.parser.dialect import smi_v1_relaxed
from pysmi.parser.smi import parserFactory
from pysmi.reader.callback import CallbackReader
from pysmi.writer.callback import CallbackWriter

from collectors.mib_mend import cleaned, definitions, headed, mended, newer

FILES_MAX: Final = 20_000
FILE_OCTETS_MAX: Final = 8 << 20
CACHE: Final = "compiled.json"  # beside the facts: module -> digest of what it was made from
_MODULE = re.compile(r"^[ \t]*([A-Za-z][\w-]*)(?:\s+|--[^\n]*?--)*(?:\{[^}]*\}\s*)?DEFINITIONS\s*::=\s*BEGIN", re.MULTILINE)
_IMPORTED = re.compile(r"\bFROM\s+([A-Za-z][\w-]*)")
_LAYOUT: Final = "2"  # of the facts: a new one makes every module compile again
_PRIMITIVE: Final = frozenset(
    ("INTEGER", "Integer32", "OCTET STRING", "OBJECT IDENTIFIER", "Unsigned32", "Gauge32", "Counter32", "Counter64", "TimeTicks")
)

# Modules of macros alone, which the parser knows; the texts only have to be there.
_MACROS: Final = {name: f"{name} DEFINITIONS ::= BEGIN\nEND\n" for name in ("SNMPv2-CONF", "RFC-1212", "RFC-1215", "RFC1155-SMI")}

Facts = dict[str, Any]


@dataclass(slots=True)
class Compiled:
    """What came of each module: made, kept from the last time, or refused and why."""

    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    mended: list[str] = field(default_factory=list)  # of those made, what was taken only after its text was put right


def compile_folder(source: Path, target: Path, known: Mapping[str, Facts]) -> Compiled:
    """Every module in the files below `source` as facts in `target`; `known` are the facts modules may import from."""
    texts, result = module_texts(source), Compiled()
    target.mkdir(parents=True, exist_ok=True)
    cache = _cache(target)
    digests = {name: _digest(text) for name, text in texts.items()}
    wanted = [name for name in texts if cache.get(name) != digests[name] or not (target / f"{name}.json").exists()]
    result.kept = sorted(texts.keys() - set(wanted))
    documents, reasons = _compile(wanted, texts, known) if wanted else ({}, {})
    if again := [name for name in wanted if name not in documents]:
        result.mended = _compile_mended(again, texts, known, documents)
    for name in wanted:
        if name in documents:
            (target / f"{name}.json").write_text(facts_text(facts_of(name, json.loads(documents[name]))))
            cache[name] = digests[name]
            result.made.append(name)
        else:
            result.refused[name] = reasons.get(name, "cannot be parsed")
            cache.pop(name, None)
    (target / CACHE).write_text(json.dumps(cache, indent=1, sort_keys=True))
    return result


def _compile_mended(again: Sequence[str], texts: Mapping[str, str], known: Mapping[str, Facts], made: dict[str, str]) -> list[str]:
    """What of the refused can be made once its text is put right; its documents come into `made`."""
    there, defined = texts.keys() | known.keys() | _MACROS.keys(), definitions(texts)
    defined |= {name: module for module, facts in known.items() for name in (*facts["objects"], *facts.get("types", {}))}
    right = {name: mended(texts[name], set(_IMPORTED.findall(texts[name])) - there, defined) for name in again}
    changed = [name for name in again if right[name] != texts[name]]
    documents, _ = _compile(again, {**texts, **right}, known) if changed else ({}, {})
    made.update({name: documents[name] for name in again if name in documents})
    return [name for name in again if name in documents]


def module_texts(source: Path) -> dict[str, str]:
    """The text of each module in the files below a folder, whatever the files are called; several may share one.

    Of a module that several files have, the one that was updated last counts.
    """
    found: dict[str, str] = {}
    for path in sorted(source.rglob("*"))[:FILES_MAX]:
        if path.is_file() and path.stat().st_size <= FILE_OCTETS_MAX:
            text = cleaned(path.read_bytes().decode("utf-8", "replace"))
            starts = list(_MODULE.finditer(text))
            for at, start in enumerate(starts):
                stop = starts[at + 1].start() if at + 1 < len(starts) else len(text)
                name, module = headed(start[1], text[start.end() : stop])
                if name not in found or newer(module, found[name]):
                    found[name] = module
    return found


def _cache(target: Path) -> dict[str, str]:
    try:
        read = json.loads((target / CACHE).read_text())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(f"{_LAYOUT}\n{text}".encode()).hexdigest()


def _compile(wanted: Sequence[str], texts: Mapping[str, str], known: Mapping[str, Facts]) -> tuple[dict[str, str], dict[str, str]]:
    """(pysmi's document by module, why not by module) of all wanted at once, so that what they share is read once.

    What a fault of pysmi's own ends is tried again module by module.
    """
    made: dict[str, str] = {}

    def read(name: str, _: object) -> str | None:
        if name in texts:
            return texts[name]
        return stub(known[name]) if name in known else _MACROS.get(name)

    def write(name: str, document: str, _: object) -> None:
        made[name] = document

    compiler = MibCompiler(parserFactory(**smi_v1_relaxed)(), JsonCodeGen(), CallbackWriter(write))
    compiler.add_sources(CallbackReader(read))
    try:
        said = compiler.compile(*wanted, genTexts=False, ignoreErrors=True, rebuild=True)
    except (PySmiError, RecursionError, ValueError, LookupError, TypeError, AttributeError) as error:
        if len(wanted) == 1:
            return {}, {wanted[0]: f"{type(error).__name__}: {error}"}
        alone = [_compile([name], texts, known) for name in wanted]
        return {k: v for one, _ in alone for k, v in one.items()}, {k: v for _, one in alone for k, v in one.items()}
    missing = {name for name, status in said.items() if status == "missing"}
    return made, {name: _reason(texts[name], said.get(name), missing) for name in wanted if name not in made}


def _reason(text: str, status: object, missing: set[str]) -> str:
    """Why a module was refused: the modules it imports that nobody has, else pysmi's words."""
    needs = sorted(name for name in missing if re.search(rf"\bFROM\s+{re.escape(name)}\b", text))
    return f"needs {', '.join(needs)}" if needs else str(getattr(status, "error", "") or status or "cannot be parsed")


def stub(facts: Facts) -> str:
    """A module text that defines what others may import: nodes by number and types by their base."""
    nodes = "\n".join(f"{name} OBJECT IDENTIFIER ::= {{ {facts_['oid'].replace('.', ' ')} }}" for name, facts_ in facts["objects"].items())
    types = "\n".join(_stub_types(facts)) if facts["module"] != "SNMPv2-SMI" else ""
    return f"{facts['module']} DEFINITIONS ::= BEGIN\n{nodes}\n{types}\nEND\n"


def _stub_types(facts: Facts) -> Iterator[str]:
    for name, told in facts.get("types", {}).items():
        if enum := told.get("enum"):
            base = "BITS" if told["type"] == "BITS" else "INTEGER"
            yield f"{name} ::= {base} {{ {', '.join(f'{label}({number})' for number, label in enum.items())} }}"
        else:
            yield f"{name} ::= {told['type'] if told['type'] in _PRIMITIVE else 'OCTET STRING'}"


def facts_of(module: str, document: Mapping[str, Mapping[str, Any]]) -> Facts:
    """pysmi's JSON of a module as facts: names, numbers, types, enumerations, indexes and notifications."""
    facts: Facts = {"module": module, "types": {}, "objects": {}, "notifications": {}}
    for key, told in document.items():
        name = told.get("name", key)  # the key has underscores for hyphens
        match told.get("class"):
            case "textualconvention" | "type":
                facts["types"][name] = _type_facts(told.get("type", {})) | ({"hint": told["displayhint"]} if "displayhint" in told else {})
            case "notificationtype":
                facts["notifications"][name] = {
                    "oid": told["oid"],
                    "objects": [one["object"].replace("_", "-") for one in told.get("objects", [])],
                }
            case _ if "oid" in told and told.get("class") in ("objecttype", "objectidentity", "moduleidentity", "objectidentifier"):
                facts["objects"][name] = _object_facts(told)
    return facts


def _object_facts(told: Mapping[str, Any]) -> Facts:
    kind = told.get("nodetype", "node")
    facts: Facts = {"oid": told["oid"]}
    if kind in ("scalar", "column"):
        facts |= _type_facts(told.get("syntax", {}))
    facts["kind"] = kind
    if "indices" in told:
        facts["index"] = [one["object"].replace("_", "-") for one in told["indices"]]
    if "augmention" in told:
        facts["augments"] = told["augmention"]["object"].replace("_", "-")
    if told.get("units"):
        facts["units"] = told["units"]
    return facts


def _type_facts(syntax: Mapping[str, Any]) -> Facts:
    enum = syntax.get("constraints", {}).get("enumeration") or syntax.get("bits") or {}
    facts: Facts = {"type": str(syntax.get("type", ""))}
    if enum:
        facts["enum"] = {str(number): label for label, number in enum.items()}
    return facts


def facts_text(facts: Facts) -> str:
    """Facts as JSON with one definition a line."""
    parts = []
    for section in ("types", "objects", "notifications"):
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(told)}" for name, told in facts[section].items())
        parts.append(f' "{section}": {{\n{lines}\n }}' if lines else f' "{section}": {{}}')
    return "{\n" + f' "module": {json.dumps(facts["module"])},\n' + ",\n".join(parts) + "\n}\n"
