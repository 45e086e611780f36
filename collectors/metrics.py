"""The collectors' own health (`trunkline_snmp_*`, `trunkline_trap_*`)."""

from station.metrics import counter, gauge

SNMP_REQUESTS = counter("snmp_requests", "SNMP requests sent, retries included.")
SNMP_RETRIES = counter("snmp_retries", "SNMP requests sent again after a timeout.")
SNMP_TIMEOUTS = counter("snmp_timeouts", "SNMP exchanges given up without an answer.")
SNMP_REPLIES = counter("snmp_replies", "SNMP answers that belong to a request.")
SNMP_REFUSED = counter("snmp_refused", "Datagrams on the SNMP socket that answer no request, by reason.", "reason")
SNMP_PROBLEMS = counter("snmp_problems", "What agents did wrong, by reason; the device's own page names the agent.", "reason")
SNMP_SAMPLES = counter("snmp_samples", "Samples polled.")
SNMP_POLLS = counter("snmp_polls", "Device polls by outcome.", "outcome")
SNMP_UNPOLLED = gauge("snmp_unpolled_devices", "Devices of the topology that are not polled, by reason.", "reason")
SNMP_POLLER_ERRORS = counter("snmp_poller_errors", "Turns of the poll schedule that a bug cut short.")
SNMP_WORST = gauge("snmp_worst_devices", "The devices that cost the poller most, by kind: the worst ten of each.", "kind", "device")
SNMP_LATENESS = gauge("snmp_poll_lateness_seconds", "How late the last poll began against its schedule.")
SNMP_OUTSTANDING = gauge("snmp_outstanding_requests", "SNMP requests waiting for an answer.")

TRAPS_RECEIVED = counter("trap_received", "SNMP notifications received, by version.", "version")
TRAPS_REFUSED = counter("trap_refused", "SNMP notifications not passed on, by reason.", "reason")
TRAPS_KERNEL_DROPPED = gauge("trap_kernel_dropped", "Datagrams the kernel dropped because the trap socket's buffer was full.")
TRAP_SENDERS = gauge("trap_senders", "Senders whose rate is watched.")
