"""A simulated network that speaks the real protocols on loopback, for the demo, the tests and the benchmarks.

`world` says what exists and `traffic` what its counters count, both pure and from a seed; `network` is its
state over time; `agents`, `emitter` and `gnmi` speak for it. It refuses every target outside 127.0.0.0/8.
"""
