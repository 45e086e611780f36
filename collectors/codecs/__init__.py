"""Bytes to values and back, pure: any bytes decode or raise `DecodeError`."""
