"""The house rules that a linter does not hold."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("station", "collectors", "perf", "fault", "inventory", "billing_bridge", "bss", "dashboards", "simulator", "benchmarks")
FUNCTION_LINES = 60
FILE_LINES = 600
TEXT = {".py", ".toml", ".md", ".js", ".css", ".html", ".json", ".lock", ".typ", ".txt", ""}
# Written so that this file does not name what it looks for.
FOREIGN = re.compile(
    r"p[y]pi\.org|p[y]thonhosted|n[p]mjs|deb\.d[e]bian\.org|(?<![\w.])/w[o]rk/|/r[o]ot/|/h[o]me/[a-z]+/|--index[-]url=|--find[-]links="
)
EXCUSES = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X)\b|NotImplemented[E]rror|not yet impl[e]mented")


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the tree: what git tracks and what it would."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file())


def sources() -> list[Path]:
    """Everything but the migrations, which list every table of a version as they are."""
    chosen = [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in PACKAGES]
    return [path for path in chosen if path.parent.name != "versions"]


def functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text())
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_function_is_longer_than_a_screen() -> None:
    assert [(name, lines) for path in sources() for name, lines in functions(path) if lines > FUNCTION_LINES] == []


def test_functions_are_mostly_short() -> None:
    lengths = sorted(lines for path in sources() for _, lines in functions(path))
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[int(0.9 * len(lengths))] <= 25


def test_no_file_is_longer_than_600_lines() -> None:
    assert [str(path) for path in sources() if path.read_text().count("\n") > FILE_LINES] == []


def test_a_helper_lives_with_the_noun_it_helps() -> None:
    assert [str(path) for path in tracked() if path.stem in ("utils", "helpers", "misc", "common")] == []


def test_the_tree_names_no_registry_and_no_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked()
        if path.suffix in TEXT and (match := FOREIGN.search(path.read_text(errors="replace")))
    ]
    assert found == []


def test_nothing_is_left_for_later() -> None:
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path in sources() if (match := EXCUSES.search(path.read_text()))]
    assert found == []


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile", ".ci/run"])
def test_the_front_page_keeps_its_promises(name: str) -> None:
    assert (ROOT / name).is_file()


def test_every_package_says_what_it_is_for() -> None:
    silent = [str(path) for path in sources() if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_test_files_have_unique_names() -> None:
    names = [path.name for path in tracked() if path.name.startswith("test_") and path.suffix == ".py"]
    assert len(names) == len(set(names))
