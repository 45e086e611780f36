"""First checks of an incident: what a person would ask first, asked once by the station when a root is named.

`subjects` says whom to ask, `words` what an answer means; `runner` asks, bounded in number and rate, and keeps what came.
"""
