"""Polling IF-MIB by v3 with SHA-256 and AES-128, as `snmp_walk` does by v2c; every agent is an engine with keys of its own.

python -m benchmarks.snmp_walk_v3 [--json] [--quick]
"""

import argparse

from benchmarks.snmp_agents import USER
from benchmarks.snmp_clients import walked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    walked("snmp_walk_v3_sha256_aes128", USER, {"gufo-snmp": 8, "pysnmp": 500}, quick=options.quick, as_json=options.json)


if __name__ == "__main__":
    main()
