"""Southbound: how the station hears from devices.

`inputs/` run and write to channels, `codecs/` turn bytes into values without I/O, `snmp/` is the poll path that is ours.
"""
