"""SNMP southbound: one engine with one socket for all agents, a client per device, a poller for the whole network.

`engine` moves datagrams, `client` asks one agent, `plan` says what one poll asks, `poller` keeps the cadence.
"""
