"""The bridge's own counters."""

from station.metrics import counter, gauge

USAGE_VERDICTS = counter("usage_records", "Usage records that arrived, by verdict.", "verdict", "reason")
USAGE_PRODUCED = counter("usage_produced", "Usage records a meter made from samples.", "kind")
USAGE_SUSPENDED = gauge("usage_suspended", "Portions of usage in suspense, by reason.", "reason")
METER_FAILED = counter("meter_failed", "Metering points a meter run could not read.")
SESSION_REPORTS = counter("session_reports", "Reports of access sessions, by what they told.", "told")
