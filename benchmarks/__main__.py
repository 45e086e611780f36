"""Run every benchmark and write `benchmarks/results.json`: one JSON object a figure, as each script prints them."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_A_FIGURE = {"__init__", "__main__", "fuzz_codecs", "snmp_agents", "snmp_clients"}


def main() -> int:
    """0 when every script ended well, 1 otherwise; figures of the others are still written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each script ends within 50 s")
    quick = ["--quick"] if parser.parse_args().quick else []
    figures, failed = [], []
    for script in sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_A_FIGURE):
        print(f"# {script}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{script}", "--json", *quick], cwd=HERE.parent, capture_output=True, text=True, check=False
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        figures += [json.loads(line) | {"script": script} for line in lines]
        print("\n".join(lines), flush=True)
        if done.returncode:
            failed.append(script)
            print(done.stderr[-2000:], file=sys.stderr)
    (HERE / "results.json").write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
