"""Roles that run apart: the collector at a POP (`collector`), and what the station has for it (`pops`).

A collector polls and hears its share of the network, keeps everything until the station has it, and connects outwards only.
"""
