"""`trunkline mib translate` and `trunkline mib compile`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from station.commands.context import FAILED, OK, PARTLY, complain, data_folder, say
from station.data import data_dir
from station.security.text import printable

if TYPE_CHECKING:
    from collectors.mib_compile import Compiled

SITE_MIBS = "mibs"  # in the data folder: what was compiled on site


def translate(name: str, data: Path | None = None) -> int:
    """An OID as a name, a name as an OID."""
    from collectors.codecs.ber import DecodeError, parse_oid
    from collectors.mibs import site_mibs

    mibs = site_mibs(data_folder(data) / SITE_MIBS)
    try:
        if name.lstrip(".")[:1].isdigit():
            say(mibs.translate(parse_oid(name.lstrip("."))))
        else:
            say(".".join(map(str, mibs.resolve(name))))
    except (KeyError, ValueError, DecodeError):
        complain(f"{name}: no MIB module here knows it")
        return FAILED
    return OK


def compile_modules(source: Path, data: Path | None, *, as_json: bool) -> int:
    """Compile every module below a folder into the data folder; 3 when some were refused, 1 when all were."""
    from collectors.mib_compile import compile_folder
    from collectors.mibs import module_facts

    if not source.is_dir():
        complain(f"{source}: no such folder")
        return FAILED
    target = data_folder(data) / SITE_MIBS
    compiled = compile_folder(source, target, module_facts(data_dir("mibs"), target))
    if as_json:
        say(json.dumps({"made": compiled.made, "mended": compiled.mended, "kept": compiled.kept, "refused": compiled.refused}, indent=2))
    else:
        _tell(compiled, target)
    usable = bool(compiled.made or compiled.kept)
    return OK if not compiled.refused and usable else PARTLY if usable else FAILED


def _tell(compiled: "Compiled", target: Path) -> None:
    for module, reason in sorted(compiled.refused.items()):
        complain(printable(f"{module}: {reason}", 400))
    for module in compiled.mended:
        say(printable(f"{module}: compiled after its text was put right"))
    say(f"{len(compiled.made)} compiled, {len(compiled.kept)} unchanged, {len(compiled.refused)} refused; in {target}")
