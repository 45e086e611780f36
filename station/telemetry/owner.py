"""The chDB owner process: the one process on a data path, answering the ClickHouse HTTP interface on loopback.

    python -m station.telemetry.owner --path DIR --port N

The token stands in TRUNKLINE_OWNER_TOKEN and is asked for on every request (Basic password, Bearer or
X-ClickHouse-Key), so that another local user cannot read. chDB takes a path for one process only; a lock
file says so before chDB would. With `--fd` the listening socket is the parent's: the port outlives the owner,
and requests wait in its backlog while a killed owner starts again.
"""

import argparse
import fcntl
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from station.parent import die_with_parent

if TYPE_CHECKING:
    from station.telemetry.engine import Engine

TOKEN_VARIABLE = "TRUNKLINE_OWNER_TOKEN"  # noqa: S105 - the variable's name, not a token
LOCK_WAIT_S = 10.0
EXIT_LOCKED = 75  # EX_TEMPFAIL: another owner holds the path
BACKLOG = 64


def main(arguments: list[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    if options.parent:
        die_with_parent(options.parent, signal.SIGKILL)
    token = os.environ.pop(TOKEN_VARIABLE, "")
    if not token:
        sys.stderr.write(f"{TOKEN_VARIABLE} is not set\n")
        return 2
    lock = _lock(options.path)
    if lock is None:
        sys.stderr.write(f"{options.path} has an owner already\n")
        return EXIT_LOCKED
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the station decides when to stop us
    engine = _engine(options.path, options.memory_mb << 20)
    signal.signal(signal.SIGTERM, _stop)  # chDB may have put its own handler in place
    listener = socket.socket(fileno=options.fd) if options.fd >= 0 else socket.create_server(("127.0.0.1", options.port), backlog=BACKLOG)
    sys.stdout.write(f"listening on 127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    _serve(listener, engine, token)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m station.telemetry.owner", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fd", type=int, default=-1, help="an inherited listening socket, instead of --port")
    parser.add_argument("--memory-mb", type=int, default=400)
    parser.add_argument("--parent", type=int, default=0, help="end when this process ends")
    return parser


def held(path: Path) -> bool:
    """Whether a living owner has this folder."""
    try:
        lock = os.open(path / "owner.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _lock(path: Path) -> int | None:
    """The descriptor of the locked file `<path>/owner.lock`; None when it stays taken."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(path / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                return None
            time.sleep(0.1)
        else:
            return lock


def _engine(path: Path, memory_bytes: int) -> "Engine":
    # chDB uses pyarrow for an Arrow API that is not used here: without it the owner is 40 MB smaller.
    sys.modules.setdefault("pyarrow", None)  # type: ignore[arg-type]
    from station.telemetry.engine import Engine

    return Engine(path, memory_bytes)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """End at once: what was answered is on disk, and what was not is the client's to repeat."""
    os._exit(0)


def _serve(listener: socket.socket, engine: "Engine", token: str) -> NoReturn:
    """Accept for ever, a thread a connection: idle, nothing wakes."""
    from station.telemetry.http import CONNECTION_LIMIT, REFUSAL

    slots = threading.Semaphore(CONNECTION_LIMIT)
    while True:
        connection, _ = listener.accept()
        if slots.acquire(blocking=False):
            threading.Thread(target=_converse, args=(connection, engine, token, slots), daemon=True).start()
        else:
            with connection:
                connection.sendall(REFUSAL)


def _converse(connection: socket.socket, engine: "Engine", token: str, slots: threading.Semaphore) -> None:
    from station.telemetry.http import Handler

    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, engine.session() as session:
            Handler(connection, session, token)
    except (ConnectionError, TimeoutError):
        pass  # the client went away; its request is its own to repeat
    finally:
        slots.release()


if __name__ == "__main__":
    sys.exit(main())
