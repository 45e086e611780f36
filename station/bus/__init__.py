"""Between a station and its collectors: blocks of samples and messages over NATS JetStream, spooled before they are sent.

A collector only ever connects outwards. The bus never holds the only copy: a collector lets go of a block when the
station says that it is durable there.
"""
