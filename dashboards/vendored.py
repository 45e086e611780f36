"""Copy the browser libraries of `static/vendor/versions.json` out of a `node_modules` folder, with relative specifiers.

A strict content policy allows no import map, so bare specifiers become neighbours' file names. Run by a
maintainer after `npm install` of the pinned versions: `python -m dashboards.vendored path/to/node_modules`.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

VENDOR = Path(__file__).parent / "static" / "vendor"
_SOURCE_MAP = re.compile(r"//# sourceMappingURL=\S+\s*\Z")
_SPECIFIER = re.compile(r"""(\bfrom|\bimport)(["'])(@?[a-z][a-z0-9/@-]*)\2""")


def module_text(source: str, neighbours: dict[str, str]) -> str:
    """The module without its source map, each bare specifier replaced by the vendored file's relative name."""
    return _SPECIFIER.sub(lambda m: f'{m[1]}"./{neighbours[m[3]]}"', _SOURCE_MAP.sub("", source)).rstrip() + "\n"


def copy_all(node_modules: Path) -> None:
    """Rewrite every vendored file and note each one's SHA-256 in versions.json."""
    pins = json.loads((VENDOR / "versions.json").read_text())
    neighbours = {entry["specifier"]: name for name, entry in pins.items()}
    licences = []
    for name, entry in pins.items():
        package = node_modules / entry["package"]
        found = json.loads((package / "package.json").read_text())
        assert found["version"] == entry["version"], f"{entry['package']} is {found['version']}, pinned {entry['version']}"
        text = module_text((package / entry["file"]).read_text(), neighbours) + entry.get("append", "")
        (VENDOR / name).write_text(text)
        entry["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        licences.append(f"{entry['package']} {entry['version']} ({found['license']})\n\n{(package / 'LICENSE').read_text().strip()}\n")
    (VENDOR / "versions.json").write_text(json.dumps(pins, indent=2) + "\n")
    (VENDOR / "LICENSES.txt").write_text(f"\n{'-' * 78}\n\n".join(dict.fromkeys(licences)))


if __name__ == "__main__":
    copy_all(Path(sys.argv[1]))
