"""The tables of the flat poll path: one row an agent, a request in flight, a question, a slot. Plain numpy, no behaviour.

An *agent* is a device as the poll path knows it, a *question* one encoded request of its plan, a *slot* one
variable of a question, a *flight* one question on the wire. The row of a flight is in the low bits of its
request-id, so that an answer finds it without a dictionary.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from collectors import datagrams

Table = npt.NDArray[Any]

FLIGHT_BITS: Final = 12
FLIGHTS: Final = 1 << FLIGHT_BITS  # requests in flight at most, all agents together
GENERATION_FIRST: Final = 1 << (24 - FLIGHT_BITS)  # every request-id takes four octets and can be patched into a request
GENERATIONS: Final = (1 << (31 - FLIGHT_BITS)) - GENERATION_FIRST
NAME: Final = datagrams.NAME
CONTEXT_MAX: Final = 104  # octets; of a longer context name the messages are made outside
VARIABLES_MAX: Final = 1024  # of one question
ROWS: Final = 1 << 16  # finished samples that wait to be taken over
EVENTS: Final = 4096

GAUGE, COUNTER, KEPT, GUARD = 1, 2, 4, 8  # a slot's use, as bits: two kinds of finished row, a value for later, an interface's name
MATCHED, UNMATCHED = 5, 6  # kinds of a variable beside a number's: the name of an interface that is as expected, or is not
UPTIME_SLACK_CS: Final = 1000  # sysUpTime of two answers may be in another order than they came in
IDLE, POLLING = 0, 1  # an agent's state
FINE, TIMEOUT, DEADLINE, ABORTED = 0, 1, 2, 3  # how a poll ended

AGENT: Final = np.dtype(
    [
        ("name", np.uint8, NAME),  # the kernel's sockaddr
        ("octets", np.int32),  # of it
        ("seal", np.int32),  # of v3 the row of its engine, -1 of v1 and v2c
        ("base", np.uint64),  # device number << 24
        ("first", np.int32),  # its questions are first .. first + count
        ("count", np.int32),
        ("asked", np.int32),  # how many of them this poll asks, from the first
        ("next", np.int32),  # the next to be asked
        ("left", np.int32),  # questions not settled
        ("flying", np.int32),
        ("limit", np.int32),  # outstanding requests allowed
        ("window", np.int32),  # and how many of them now
        ("retries", np.int32),
        ("state", np.int32),
        ("why", np.int32),
        ("answers", np.int32),  # of this poll
        ("timeouts", np.int32),
        ("first_timeout_ns", np.int64),
        ("least_timeout_ns", np.int64),
        ("most_timeout_ns", np.int64),
        ("srtt_ns", np.int64),
        ("var_ns", np.int64),
        ("base_rtt_ns", np.int64),
        ("deadline_ns", np.int64),
        ("uptime_cs", np.int64),  # of the last answer, -1: none
        ("before_cs", np.int64),  # of the poll before, -1: none
        ("restarted", np.int64),  # 1: the uptime of an answer of this poll is less than that
    ],
    align=True,
)
SEAL: Final = np.dtype(
    [
        ("ready", np.int32),  # 1: the compiled steps can make and open its messages; 0: they are made and opened outside
        ("level", np.int32),  # msgFlags without reportable
        ("auth", np.int32),  # the kind of its digest, 0: none
        ("digest_octets", np.int32),  # as truncated
        ("rounds", np.int32),  # of AES, 0: none
        ("confirmed", np.int32),  # its clock was told by an authenticated message
        ("engine_octets", np.int32),
        ("user_octets", np.int32),
        ("context_octets", np.int32),
        ("engine", np.uint8, 32),
        ("user", np.uint8, 32),
        ("context", np.uint8, CONTEXT_MAX),  # contextEngineID and contextName, encoded
        ("boots", np.int64),
        ("time_s", np.int64),  # of its clock at `synced_ns` of ours
        ("synced_ns", np.int64),
        ("salt", np.uint64),
        ("inner", np.uint64, 8),  # the states that HMAC begins with
        ("outer", np.uint64, 8),
        ("schedule", np.uint32, 60),  # the key schedule of AES
    ],
    align=True,
)
FLIGHT: Final = np.dtype(
    [
        ("id", np.int64),  # 0: not in flight
        ("generation", np.int64),
        ("agent", np.int32),
        ("question", np.int32),
        ("attempt", np.int32),
        ("last_agent", np.int32),
        ("last_id", np.int64),  # the request settled last, whose repeated answer is told from a foreign one,
        ("older_agent", np.int64),
        ("older_id", np.int64),  # and the one given up last, whose answer is late
        ("sent_ns", np.int64),
        ("due_ns", np.int64),
    ],
    align=True,
)
QUESTION: Final = np.dtype(
    [
        ("at", np.int64),  # its octets in the arena: a whole message, or the PDU alone where messages are sealed
        ("octets", np.int32),
        ("id_at", np.int32),  # of the four octets of the request-id, from `at`
        ("community", np.int32),  # of the community's content, from `at`
        ("community_octets", np.int32),
        ("version", np.int32),
        ("count", np.int32),
        ("names", np.int64),  # in the arena: per variable two octets of length, then the content of its name
        ("slot", np.int64),
    ],
    align=True,
)
SLOT: Final = np.dtype(
    [
        ("series", np.uint64),  # without the device
        ("use", np.int32),
        ("discontinuity", np.int32),  # the variable of the same answer that holds ifCounterDiscontinuityTime, -1: none
        ("guard", np.int32),  # the variable of the same answer that holds the interface's name, -1: none
        ("expect_octets", np.int32),  # of a GUARD: what the name is to be, in the arena
        ("expect", np.int64),
    ],
    align=True,
)
KEPT_ROW: Final = np.dtype(
    [
        ("agent", np.int64),
        ("slot", np.int64),
        ("told", np.float64),
        ("raw", np.uint64),
        ("width", np.int64),
        ("uptime_cs", np.int64),
        ("time_ns", np.int64),
    ]
)
EVENT: Final = np.dtype([("what", np.int32), ("agent", np.int32), ("question", np.int32), ("detail", np.int32)], align=True)

# What an event tells. The first three concern one question, which then takes the slow path.
ERROR_STATUS, MISMATCH, MALFORMED, ABSENT, GARBAGE, SEALED, UNLIKE, RENAMED, RESTARTED = 1, 2, 3, 4, 5, 6, 7, 8, 9

# The counters of the path, by position in one int64 array.
(
    ROWS_N,
    KEPT_N,
    EVENTS_N,
    DONE_N,
    SENDS_N,
    FREE_AT,
    FREE_N,
    FLYING_N,
    REPLIES,
    TIMEOUTS,
    RETRIES,
    BAD,
    FOREIGN_ID,
    LATE,
    FOREIGN_ADDRESS,
    VERSION,
    COMMUNITY,
    COUNTERS,
) = range(18)
