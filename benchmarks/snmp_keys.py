"""Key set-up of 1,000 v3 engines of one user and password pair, until their messages can be made: CPU-seconds.

python -m benchmarks.snmp_keys [--json] [--quick]

The costly expansion of a password (1 MB of it is digested, RFC 3414, A.2) is done once a password, and each engine costs
its localisation and the states of HMAC and AES. The peer expands both passwords
for each engine, as gufo-snmp does where it is given passwords.
"""

import argparse
import json
import statistics
import time
from importlib.metadata import version

from gufo.snmp import Sha256Key

from benchmarks.snmp_agents import USER
from collectors.codecs import usm
from collectors.datagrams import sockaddr
from collectors.snmp.client import Limits
from collectors.snmp.plan import Item, build
from collectors.snmp.security import Terms
from collectors.snmp.sheets import Envelope
from collectors.snmp.wire import Wire, warm

ENGINES, OF_PEER = 1000, 50
GOAL_S = 0.1
AUTH, PRIV = "authentic", "private"


def engine_id(n: int) -> bytes:
    return b"\x80\0\x1f\x88\1" + n.to_bytes(4)


def ours(run: int) -> float:
    """CPU-seconds for all engines under passwords nobody has used before."""
    auth_password, priv_password = f"{AUTH}-{run:06}", f"{PRIV}-{run:06}"
    wire, plan = Wire(1), build([Item((1, 3, 6, 1, 9, 1), 1)], varbinds_max=10)
    agents = [
        wire.join(sockaddr(f"127.66.{n >> 8}.{n & 255}", 161), n, Limits(), wire.sheets.add(plan, Envelope(3))) for n in range(ENGINES)
    ]
    began = time.process_time()
    for n, agent in enumerate(agents):
        keys = usm.localised_keys(USER.auth, auth_password, USER.priv, priv_password, engine_id(n))
        wire.secure(agent, Terms(engine_id(n), b"bench", b"\4\0\4\0", keys, 3, 1, 1, 0.0, confirmed=True), 0)
    return time.process_time() - began


def theirs(run: int) -> float:
    """CPU-seconds for as many engines by gufo-snmp's own functions, which keep no memory of a password; measured on fewer."""
    passwords = ((Sha256Key, f"{AUTH}-{run:06}".encode()), (Sha256Key, f"{PRIV}-{run:06}".encode()))  # both by the user's digest
    began = time.process_time()
    for n in range(OF_PEER):
        for kind, password in passwords:
            kind.get_localized_key(kind.get_master_key(password), engine_id(n))
    return (time.process_time() - began) * ENGINES / OF_PEER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    warm()
    ours(0)
    runs = range(1, 4 if options.quick else 8)
    mine, other = (statistics.median(map(measure, runs)) for measure in (ours, theirs))
    figure = {"name": "snmp_keys_1000_engines", "value": round(mine, 4), "unit": "CPU-seconds", "goal": GOAL_S, "n": ENGINES}
    figure |= {"peer": f"gufo-snmp {version('gufo-snmp')} from passwords", "peer_value": round(other, 3), "ratio": round(other / mine, 1)}
    print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
