"""Octets of a table by the machine's words, for compiled steps: no check of the index, so the caller knows that they are there.

Where nothing is compiled (NUMBA_DISABLE_JIT) the same functions run as Python over numpy.
"""

import sys
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import config
from numba.core.extending import intrinsic

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_types: Any = numba.types
_config: Any = config


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """The address of octet `at` of an array of octets."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


def _word(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    place = _place(context, builder, signature.args[0], *arguments)
    return builder.load(builder.bitcast(place, _I64.as_pointer()), align=1)


if _config.DISABLE_JIT:

    def octet(data: Any, at: Any) -> Any:
        return np.int64(data[at])

    def word(data: Any, at: Any) -> Any:
        return np.frombuffer(data[at : at + 8].tobytes(), "<u8")[0]

    def number_before(data: Any, stop: Any) -> Any:
        return np.frombuffer(data[stop - 8 : stop].tobytes(), ">u8")[0].astype(np.uint64)

    def copy(out: Any, to: Any, data: Any, at: Any, n: Any) -> None:
        out[to : to + n] = data[at : at + n]

else:

    @intrinsic
    def octet(typing_context: Any, data: Any, at: Any) -> Any:
        """data[at]."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.zext(builder.load(_place(context, builder, signature.args[0], *arguments)), _I64)

        return numba.int64(data, numba.int64), generate

    @intrinsic
    def word(typing_context: Any, data: Any, at: Any) -> Any:
        """data[at : at + 8] as one number, in the machine's order: to be compared."""
        return numba.uint64(data, numba.int64), _word

    @intrinsic
    def number_before(typing_context: Any, data: Any, stop: Any) -> Any:
        """data[stop - 8 : stop] as one number, the last octet the lowest (network order)."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array, stop_ = arguments
            found = _word(context, builder, signature, (array, builder.sub(stop_, _I64(8))))
            return builder.bswap(found) if sys.byteorder == "little" else found

        return numba.uint64(data, numba.int64), generate

    @intrinsic
    def copy(typing_context: Any, out: Any, to: Any, data: Any, at: Any, n: Any) -> Any:
        """out[to : to + n] = data[at : at + n], of two tables."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            out_, to_, data_, at_, n_ = arguments
            target = _place(context, builder, signature.args[0], out_, to_)
            source = _place(context, builder, signature.args[2], data_, at_)
            kind = [target.type, source.type, _I64]
            move = builder.module.declare_intrinsic("llvm.memcpy", kind)
            builder.call(move, [target, source, n_, ir.IntType(1)(0)])
            return context.get_dummy_value()

        return _types.void(out, numba.int64, data, numba.int64, numba.int64), generate
