"""The part of the ClickHouse HTTP interface that its clients use, over one connection of the owner process.

Statement in `?query=` or at the head of the body, `param_<name>` as bound parameters (URL or form), data of an
INSERT behind it; `default_format` and `FORMAT` for the answer; errors as text with X-ClickHouse-Exception-Code.
"""

import hmac
import json
import re
from base64 import b64decode
from collections import deque
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler
from socket import socket
from urllib.parse import parse_qsl, urlsplit

from station.telemetry.engine import DEDUPLICATION, Session, StatementError

CONNECTION_LIMIT = 32
BODY_LIMIT_BYTES = 256 << 20
PIECE_BYTES = 256 << 10  # an INSERT whose statement is in the URL is read and handed on in pieces: no body in memory
IDLE_S = 600
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_INSERT = re.compile(rb"\A\s*(INSERT\s+INTO\s+(?:[^'\"]|'[^']*'|\"[^\"]*\")*?)\s+FORMAT\s+(\w+)[ \t]*(?:\r?\n|;|\Z)", re.IGNORECASE)


class BadRequestError(Exception):
    """The request cannot be read; `status` says how."""

    def __init__(self, status: int, says: str) -> None:
        super().__init__(says)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Answers one connection until it closes."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S

    def __init__(self, connection: socket, session: Session, token: str) -> None:
        self._session = session
        self._token = token.encode()
        super().__init__(connection, connection.getpeername(), None)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self._statement(iter(()))

    def do_POST(self) -> None:
        try:
            self._statement(self._pieces())
        except BadRequestError as error:
            self.close_connection = True
            self._answer(error.status, f"{error}\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: statements carry no secrets, but there are many of them."""

    def _statement(self, body: Iterator[bytes]) -> None:
        if not self._known():
            _skip(body)
            self._answer(401, b"Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)\n", code=516)
            return
        try:
            answer, rows = self._run(body)
        except StatementError as error:
            _skip(body)
            self._answer(500, f"{error}\n".encode(), code=error.code or 1002)
        else:
            self._answer(200, answer, rows=rows)

    def _run(self, body: Iterator[bytes]) -> tuple[bytes, int]:
        """What the statement answers, and how many rows it wrote."""
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        statement, token = parameters.get("query", "").encode(), parameters.get(DEDUPLICATION, "")
        if insert := _INSERT.match(statement):
            return b"", self._session.insert(insert[1].decode(), insert[2].decode(), body, token)
        whole = b"".join(body)
        if self.headers.get_content_type() == "multipart/form-data":
            parameters |= _form(self.headers, whole)
            statement, whole = parameters.get("query", "").encode(), b""
        if insert := _INSERT.match(whole):
            return b"", self._session.insert(insert[1].decode(), insert[2].decode(), (whole[insert.end() :],), token)
        sql = b"\n".join(part for part in (statement, whole) if part).decode()
        bound = {name.removeprefix("param_"): value for name, value in parameters.items() if name.startswith("param_")}
        wanted = parameters.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        return self._session.query(sql, wanted, bound), 0

    def _known(self) -> bool:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        given = value.encode()
        if kind == "Basic":
            try:
                given = b64decode(value).partition(b":")[2]
            except ValueError:
                return False
        elif not kind:
            given = self.headers.get("X-ClickHouse-Key", "").encode()
        return hmac.compare_digest(given, self._token)

    def _pieces(self) -> Iterator[bytes]:
        """The body as it comes, at most BODY_LIMIT_BYTES of it."""
        if self.headers.get("Content-Encoding", "identity") != "identity":
            raise BadRequestError(415, "compressed bodies are not taken: this is loopback")
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            yield from self._chunks()
            return
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit():
            raise BadRequestError(400, "Content-Length is no number")
        yield from self._read(int(length))

    def _chunks(self) -> Iterator[bytes]:
        already = 0
        while True:
            head = self.rfile.readline(64).partition(b";")[0].strip()
            try:
                size = int(head, 16)
            except ValueError as error:
                raise BadRequestError(400, "a chunk has no size") from error
            yield from self._read(size, already)
            already += size
            self.rfile.readline(64)
            if size == 0:
                return

    def _read(self, size: int, already: int = 0) -> Iterator[bytes]:
        if size < 0 or already + size > BODY_LIMIT_BYTES:
            raise BadRequestError(413, f"the body is larger than {BODY_LIMIT_BYTES} bytes")
        while size:
            data = self.rfile.read(min(size, PIECE_BYTES))
            if not data:
                raise ConnectionResetError("the body ended early")
            size -= len(data)
            yield data

    def _answer(self, status: int, body: bytes, *, code: int = 0, rows: int = 0) -> None:
        self.send_response_only(status)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.send_header("X-ClickHouse-Summary", json.dumps({"written_rows": str(rows)}))
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _skip(body: Iterator[bytes]) -> None:
    """Read what is left: who still sends does not hear an answer."""
    deque(body, maxlen=0)


def _form(headers: Message, body: bytes) -> dict[str, str]:
    """The plain fields of a multipart form: name -> value."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    form = BytesParser().parsebytes(head + body)
    found: dict[str, str] = {}
    for part in form.walk():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            found[name] = payload.decode()
    return found
