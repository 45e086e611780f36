"""What the performance pipeline counts of itself."""

from station.metrics import counter, gauge, histogram

SAMPLES = counter("perf_samples", "Samples taken in.")
VERDICTS = counter("perf_verdicts", "Counter samples by verdict.", "quality")
NOT_STORED = counter("perf_samples_not_stored", "Samples that were not stored, by reason.", "reason")
BLOCKS = counter("perf_blocks", "Blocks of rows by outcome: journalled, stored, replayed, refused (kept aside), lost.", "outcome")
PENDING = gauge("perf_pending_blocks", "Blocks that are journalled and not yet in the store.")
LATE_SLOTS = counter("perf_late_slots", "Five-minute slots corrected after late data.")
LATE_DROPPED = counter("perf_late_slots_dropped", "Slots with late data that found no room to wait for their correction.")
ROLLUP_SECONDS = histogram("perf_rollup_seconds", "How long rolling up one slot of everything took.")
EVENTS = counter("perf_events", "Threshold events by rule.", "rule")
THRESHOLD_DROPPED = counter("perf_threshold_dropped", "Series a rule could not follow because its table was full.", "rule")
SERIES = gauge("perf_series", "Series the pipeline knows.")
SERIES_LEFT_OUT = counter("exposition_series_left_out", "Series that /metrics/network left out because of its cap.")
DISK_FREE = gauge("disk_free_bytes", "Bytes free on the file system of the telemetry store.")
DISK_WAITING = counter("perf_disk_waiting_seconds", "Seconds for which samples waited because only the reserve of the disk was left.")
REMOTE_WRITE_SAMPLES = counter("remote_write_samples", "Samples for the remote-write receiver: sent, again, refused, lost.", "outcome")
REMOTE_WRITE_WAITING = gauge("remote_write_waiting", "Requests that wait for the remote-write receiver.")
INCOMING = counter("perf_incoming_samples", "Samples sent by others (remote-write, OTLP): taken, or why they were refused.", "outcome")
UNUSUAL = counter(
    "perf_unusual", "Five minutes far from what is usual, and those of them that the second look found to be often so.", "what"
)
