"""A block of AES in CFB mode and one of SHA-256 by the processor's own instructions (AES-NI, SHA extensions), for compiled steps.

Where the processor lacks them, or where numba is told to build for another one, `AES` and `SHA256` are False and
the portable steps of `aes_kernels` and `digest_kernels` do the same work. The two are held against each other by tests.
"""

from typing import Any, Final

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
from llvmlite import ir
from numba.core import config
from numba.core.extending import intrinsic

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_V16X8, _V4X32, _V2X64 = ir.VectorType(ir.IntType(8), 16), ir.VectorType(_I32, 4), ir.VectorType(_I64, 2)
_types: Any = numba.types
_config: Any = config
PAIR = _types.UniTuple(numba.uint64, 2)
ROUND_CONSTANTS: Final = (
    "428a2f98 71374491 b5c0fbcf e9b5dba5 3956c25b 59f111f1 923f82a4 ab1c5ed5 d807aa98 12835b01 243185be 550c7dc3 72be5d74 80deb1fe "
    "9bdc06a7 c19bf174 e49b69c1 efbe4786 0fc19dc6 240ca1cc 2de92c6f 4a7484aa 5cb0a9dc 76f988da 983e5152 a831c66d b00327c8 bf597fc7 "
    "c6e00bf3 d5a79147 06ca6351 14292967 27b70a85 2e1b2138 4d2c6dfc 53380d13 650a7354 766a0abb 81c2c92e 92722c85 a2bfe8a1 a81a664b "
    "c24b8b70 c76c51a3 d192e819 d6990624 f40e3585 106aa070 19a4c116 1e376c08 2748774c 34b0bcb5 391c0cb3 4ed8aa4a 5b9cca4f 682e6ff3 "
    "748f82ee 78a5636f 84c87814 8cc70208 90befffa a4506ceb bef9a3f7 c67178f2"
)
"""K of SHA-256 (FIPS 180-4, 4.2.2)."""


def _has(*features: str) -> bool:
    """Whether code for this very processor may use these; False where compiling is off or is for another processor."""
    if _config.DISABLE_JIT or _config.CPU_NAME or _config.CPU_FEATURES or not llvm.get_process_triple().startswith("x86_64"):
        return False
    host = llvm.get_host_cpu_features()
    return all(host.get(feature, False) for feature in features)


AES: Final = _has("aes", "sse4.1")
SHA256: Final = _has("sha", "ssse3", "sse4.1")


def _call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """A call of one LLVM intrinsic function."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(builder.module.declare_intrinsic(name, (), kind), arguments)


def _at(context: Any, builder: Any, kind: Any, array: Any, index: Any, octets: int) -> Any:
    """The address of an array's octet number `index` times `octets`, which is the size of its elements."""
    base = builder.ptrtoint(context.make_array(kind)(context, builder, array).data, _I64)
    return builder.add(base, builder.mul(index, _I64(octets)))


def _load(builder: Any, address: Any, offset: int, kind: Any) -> Any:
    return builder.load(builder.inttoptr(builder.add(address, _I64(offset)), kind.as_pointer()), align=1)


@intrinsic
def cfb_block(
    typing_context: Any, encrypting: Any, keys: Any, rounds: Any, low: Any, high: Any, data: Any, at: Any, out: Any, to: Any
) -> Any:
    """One whole block of CFB128 as `aes_kernels.portable_cfb_block` does it; (low, high) of the block that feeds the next one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        encrypting_, keys_, rounds_, low_, high_, data_, at_, out_, to_ = arguments
        schedule = _at(context, builder, signature.args[1], keys_, _I64(0), 4)
        block = builder.insert_element(builder.insert_element(_V2X64(ir.Undefined), low_, _I32(0)), high_, _I32(1))
        text = _load(builder, _at(context, builder, signature.args[5], data_, at_, 1), 0, _V2X64)
        result = builder.xor(_aes(builder, schedule, rounds_, block), text)
        place = _at(context, builder, signature.args[7], out_, to_, 1)
        builder.store(result, builder.inttoptr(place, _V2X64.as_pointer()), align=1)
        feeds = builder.select(encrypting_, result, text)
        return context.make_tuple(builder, signature.return_type, [builder.extract_element(feeds, _I32(i)) for i in (0, 1)])

    integer, word = numba.int64, numba.uint64
    return PAIR(numba.boolean, keys, integer, word, word, data, integer, out, integer), generate


def _aes(builder: Any, schedule: Any, rounds: Any, block: Any) -> Any:
    """A vector of one block encrypted (FIPS 197, 5.1)."""
    block = builder.xor(block, _load(builder, schedule, 0, _V2X64))
    for i in range(1, 10):
        block = _call(builder, "llvm.x86.aesni.aesenc", _V2X64, block, _load(builder, schedule, 16 * i, _V2X64))
    for i in (10, 12):  # AES-192 has two rounds more than AES-128, AES-256 four
        short = builder.block
        with builder.if_then(builder.icmp_signed(">", rounds, _I64(i))):
            more = block
            for j in (i, i + 1):
                more = _call(builder, "llvm.x86.aesni.aesenc", _V2X64, more, _load(builder, schedule, 16 * j, _V2X64))
            long = builder.block
        both = builder.phi(_V2X64)
        both.add_incoming(block, short)
        both.add_incoming(more, long)
        block = both
    last = _load(builder, builder.add(schedule, builder.mul(rounds, _I64(16))), 0, _V2X64)
    return _call(builder, "llvm.x86.aesni.aesenclast", _V2X64, block, last)


@intrinsic
def sha256_block(typing_context: Any, state: Any, data: Any, at: Any, words: Any) -> Any:
    """Take the 64 octets data[at:] into `state` as `digest_kernels.portable_sha256_block` does it, without its scratch."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        state_, data_, at_, _ = arguments
        held = _at(context, builder, signature.args[0], state_, _I64(0), 8)
        octets = _at(context, builder, signature.args[1], data_, at_, 1)
        _sha256(builder, held, [_load(builder, octets, 16 * i, _V16X8) for i in range(4)])
        return context.get_dummy_value()

    return _types.void(state, data, numba.int64, words), generate


def _lanes(builder: Any, one: Any, other: Any, *lanes: int) -> Any:
    """Lanes 0-3 of `one` and 4-7 of `other` in a new order."""
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_I32, len(lanes)), list(lanes)))


def _sha256(builder: Any, words: Any, blocks: list[Any]) -> None:
    """The 64 rounds over vectors of four words; the instructions want the state as (f, e, b, a) and (h, g, d, c), low lane first."""
    swap = ir.Constant(ir.VectorType(_I32, 16), [4 * (i // 4) + 3 - i % 4 for i in range(16)])
    schedule = [builder.bitcast(builder.shuffle_vector(block, block, swap), _V4X32) for block in blocks]
    before = [_state(builder, words, order) for order in ((5, 4, 1, 0), (7, 6, 3, 2))]
    one, two = before
    constants = [int(constant, 16) for constant in ROUND_CONSTANTS.split()]
    for i in range(16):
        if i >= 4:
            w16, w12, w8, w4 = schedule[-4:]
            early = builder.add(_call(builder, "llvm.x86.sha256msg1", _V4X32, w16, w12), _lanes(builder, w8, w4, 1, 2, 3, 4))
            schedule.append(_call(builder, "llvm.x86.sha256msg2", _V4X32, early, w4))
        given = builder.add(schedule[i], ir.Constant(_V4X32, constants[4 * i : 4 * i + 4]))
        two = _call(builder, "llvm.x86.sha256rnds2", _V4X32, two, one, given)
        one = _call(builder, "llvm.x86.sha256rnds2", _V4X32, one, two, _lanes(builder, given, given, 2, 3, 2, 3))
    for vector, start, order in zip((one, two), before, ((5, 4, 1, 0), (7, 6, 3, 2)), strict=True):
        total = builder.add(vector, start)
        for lane, word in enumerate(order):
            place = builder.inttoptr(builder.add(words, _I64(8 * word)), _I64.as_pointer())
            builder.store(builder.zext(builder.extract_element(total, _I32(lane)), _I64), place)


def _state(builder: Any, words: Any, order: tuple[int, ...]) -> Any:
    vector = _V4X32(ir.Undefined)
    for lane, word in enumerate(order):
        vector = builder.insert_element(vector, builder.trunc(_load(builder, words, 8 * word, _I64), _I32), _I32(lane))
    return vector
