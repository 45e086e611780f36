"""Typed values of gNMI as leaves, and a value that would fill the memory."""

import pytest
from gnmi_pb import gnmi_pb2 as pb

from collectors.codecs.gnmi import GnmiDecodeError, leaves, path_of


def leaf_of(value: pb.TypedValue) -> list[object]:
    update = pb.Update(path=path_of("/system/state/load"), val=value)
    return [leaf.value for leaf in leaves(pb.Notification(timestamp=1, update=[update]))]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pb.TypedValue(uint_val=1 << 63), [1 << 63]),
        (pb.TypedValue(int_val=-3), [-3]),
        (pb.TypedValue(decimal_val=pb.Decimal64(digits=-1234, precision=2)), [-12.34]),
        (pb.TypedValue(bytes_val=b"\x00\xff"), ["00ff"]),
        (pb.TypedValue(ascii_val="up"), ["up"]),
        (pb.TypedValue(leaflist_val=pb.ScalarArray(element=[pb.TypedValue(uint_val=1), pb.TypedValue(string_val="a")])), [1, "a"]),
        (pb.TypedValue(json_ietf_val=b'{"m:one": "7", "two": [1, 2]}'), ["7", 1, 2]),
    ],
)
def test_each_kind_of_value_is_a_leaf(value: pb.TypedValue, expected: list[object]) -> None:
    assert leaf_of(value) == expected


@pytest.mark.parametrize(
    "value", [pb.TypedValue(decimal_val=pb.Decimal64(digits=1, precision=4_000_000_000)), pb.TypedValue(json_val=b"{"), pb.TypedValue()]
)
def test_a_value_that_makes_no_sense_is_refused(value: pb.TypedValue) -> None:
    with pytest.raises(GnmiDecodeError):
        leaf_of(value)
