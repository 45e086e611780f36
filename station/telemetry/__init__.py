"""The telemetry store: one dialect and one driver (ClickHouse over HTTP), two engines.

Embedded, a supervised chDB owner process answers on loopback; scaled out, a URL names a ClickHouse cluster.
`client` speaks, `owner` answers, `supervisor` keeps the owner alive, `schema` makes the tables.
"""
