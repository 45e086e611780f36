"""Messages out of a stream of octets (RFC 6587, 3.4; RFC 5425, 4.3): octet counting and line feeds, mixed as senders mix them."""

from typing import Final

from collectors.codecs.ber import DecodeError
from collectors.codecs.syslog import MESSAGE_OCTETS_MAX

FRAME_OCTETS_MAX: Final = 4 * MESSAGE_OCTETS_MAX
_COUNT_DIGITS_MAX: Final = 5  # RFC 6587, 3.4.1: MSG-LEN
_DIGITS: Final = frozenset(b"0123456789")


class Frames:
    """The receiving end of one connection: octets in as they come, whole messages out. Holds at most one frame."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, octets: bytes) -> list[bytes]:
        """The messages that are whole now, without their framing. DecodeError where the stream cannot be followed."""
        data, at = self._rest + octets, 0
        found: list[bytes] = []
        while at < len(data):
            begin, end, after = _counted(data, at) if data[at] in _DIGITS else _line(data, at)
            if after > len(data):
                break
            if end > begin:
                found.append(data[begin:end])
            at = after
        self._rest = data[at:]
        if len(self._rest) > FRAME_OCTETS_MAX + _COUNT_DIGITS_MAX:
            raise DecodeError("length")
        return found

    def rest(self) -> bytes:
        """What the sender left without a line feed when it closed; a counted frame that is not whole is lost."""
        rest, self._rest = self._rest, b""
        return b"" if rest[:1].isdigit() else rest


def _counted(data: bytes, at: int) -> tuple[int, int, int]:
    """(begin, end, where the next frame begins) of a frame that begins with its length; beyond the data when not whole."""
    space = data.find(b" ", at, at + _COUNT_DIGITS_MAX + 1)
    digits = data[at:space] if space > 0 else data[at : at + _COUNT_DIGITS_MAX + 1]
    if not digits.isdigit() or (space < 0 and len(digits) > _COUNT_DIGITS_MAX) or int(digits) > FRAME_OCTETS_MAX:
        raise DecodeError("length")
    if space < 0:
        return at, at, len(data) + 1
    end = space + 1 + int(digits)
    return space + 1, end, end


def _line(data: bytes, at: int) -> tuple[int, int, int]:
    """The same of a frame that ends with a line feed, as most senders write it, or with a NUL."""
    end = data.find(b"\n", at)
    return (at, end, end + 1) if end >= 0 else (at, at, len(data) + 1)
