"""Mediation: telemetry becomes usage records that money can stand on.

`slots` turns counters into exact 5-minute slots, `meter` produces usage records, `book` keeps them append-only,
`guiding` finds the service and customer; `bss` rates and bills what stands here.
"""
