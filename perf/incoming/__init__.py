"""Samples that others send: Prometheus remote-write and OTLP metrics, as series of this station.

Decoders give points with the sender's names and labels; `places` says which series that is, by mappings that are data; `intake` counts
what is refused, with the reason, and answers once the rest is journalled.
"""
