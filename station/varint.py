"""Whole numbers in as few octets as they need, as Protocol Buffers and the Native format of ClickHouse have them."""


def varint(number: int) -> bytes:
    """Seven bits an octet, the lowest first; the high bit says that more follow."""
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])
