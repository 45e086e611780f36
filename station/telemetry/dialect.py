"""Settings that every session of the telemetry store has, embedded or a cluster; and where an embedded one puts copies."""

SESSION_SETTINGS = {
    "session_timezone": "UTC",
    "optimize_on_insert": "0",  # replacing rows inside one insert costs more than the rest of it; merges and FINAL do it
    "allow_suspicious_codecs": "1",  # T64 behind Delta: "suspicious" only because each is made for integers
    "input_format_skip_unknown_fields": "0",  # a column that no table has is an error, not nothing
    "do_not_merge_across_partitions_select_final": "1",
}

COPIES = "backups"  # in the folder of an embedded store: the one place where it may write copies of itself, and read them
