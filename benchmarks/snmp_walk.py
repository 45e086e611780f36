"""Polling IF-MIB by v2c: 14 columns x 48 interfaces of 1,000 agents, varbinds per client CPU-second, beside gufo-snmp and pysnmp.

python -m benchmarks.snmp_walk [--json] [--quick]
"""

import argparse

from benchmarks.snmp_clients import COMMUNITY, walked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    walked("snmp_walk_v2c", COMMUNITY, {"gufo-snmp": 15, "pysnmp": 500}, quick=options.quick, as_json=options.json)


if __name__ == "__main__":
    main()
