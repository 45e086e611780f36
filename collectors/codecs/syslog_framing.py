"""Messages out of a stream of octets (RFC 6587, 3.4; RFC 5425, 4.3): octet counting and line feeds, mixed as senders mix them.

A stream that cannot be followed does not exist: what does not begin with a count and `<` is a line, and a line without
an end is cut where a message is cut, counted, and skipped up to its line feed.
"""

import re
from typing import Final

from collectors.codecs.syslog import MESSAGE_OCTETS_MAX

FRAME_OCTETS_MAX: Final = 4 * MESSAGE_OCTETS_MAX
_COUNT = re.compile(rb"([1-9]\d{0,4}) ")  # RFC 6587, 3.4.1: MSG-LEN SP
_HALF_A_COUNT = re.compile(rb"[1-9]\d{0,4} ?\Z")
_END = re.compile(rb"[\n\0]")  # RFC 6587, 3.4.2: LF as most write it, or NUL


class Frames:
    """The receiving end of one connection: octets in as they come, whole messages out. Holds at most one frame.

    `cut` is how many messages were longer than a frame may be, or were still incomplete when their sender left.
    """

    def __init__(self) -> None:
        self.cut = 0
        self._rest = b""
        self._skipping = False

    def feed(self, octets: bytes) -> list[bytes]:
        """The messages that are whole now, without their framing."""
        data, at = self._rest + octets, 0
        found: list[bytes] = []
        if self._skipping:
            at = self._after_line_end(data)
        while at < len(data):
            begin, end, after = _counted(data, at) or _line(data, at)
            if after > len(data):
                break
            if end > begin:
                found.append(data[begin:end])
            at = after
        self._rest = data[at:]
        if len(self._rest) > FRAME_OCTETS_MAX and _counted(self._rest, 0) is None:
            found.append(self._rest[:MESSAGE_OCTETS_MAX])
            self._rest, self._skipping = b"", True
            self.cut += 1
        return found

    def _after_line_end(self, data: bytes) -> int:
        end = _END.search(data)
        self._skipping = end is None
        return end.end() if end else len(data)

    def rest(self) -> bytes:
        """What the sender left without a line feed when it closed; a counted frame that is not whole is lost."""
        rest, self._rest = self._rest, b""
        count = _COUNT.match(rest)
        if count is None or rest[count.end() : count.end() + 1] != b"<":
            return rest
        self.cut += 1
        return b""


def _counted(data: bytes, at: int) -> tuple[int, int, int] | None:
    """(begin, end, where the next frame begins) of a frame that begins with its length; beyond the data when not whole.

    A line may begin with a number too: one without `<` behind it is taken for a count only when so many octets follow
    without a line feed.
    """
    count = _COUNT.match(data, at)
    if count is None:
        return (at, at, len(data) + 1) if _HALF_A_COUNT.match(data, at) else None
    begin, length = count.end(), int(count[1])
    if length > FRAME_OCTETS_MAX:
        return None
    if data[begin : begin + 1] not in (b"<", b"") and _END.search(data, begin, begin + length) is not None:
        return None
    return begin, begin + length, begin + length


def _line(data: bytes, at: int) -> tuple[int, int, int]:
    """The same of a frame that ends with a line feed or a NUL."""
    end = _END.search(data, at)
    return (at, end.start(), end.end()) if end else (at, at, len(data) + 1)
