"""Performance: counters become exact rates, rates become KPIs, rollups, threshold events, curves and top lists.

`pipeline` takes sample batches and answers with events, `store` writes and reads the telemetry store,
`exposition` gives Prometheus the last values.
"""
