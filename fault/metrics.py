"""The fault domain's own health."""

from station.metrics import counter, gauge, histogram

EVENTS = counter("alarm_events", "Events by what they did to their alarm.", "outcome")
ACTIVE = gauge("alarms_active", "Alarms that are not cleared.", "severity")
NOTIFICATIONS = counter("notifications", "Messages from the network by what the rules made of them.", "protocol", "outcome")
VERIFICATIONS = counter("alarm_verifications", "Polls asked for to prove an unauthenticated message.", "outcome")
INCIDENTS_OPEN = gauge("incidents_open", "Open incidents that are shown.")
BATCH_SECONDS = histogram(
    "fault_batch_seconds", "From taking a batch of events to its commit.", buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
)
STORE_RETRIES = counter("fault_store_retries", "Batches written again after the state store failed.")
DELIVERIES = counter("webhook_deliveries", "Attempts to deliver by outcome.", "outcome")
WEBHOOK_WAITING = gauge("webhook_waiting", "Announcements in the outbox that are not delivered yet.")
WEBHOOK_SECONDS = histogram("webhook_seconds", "Time of one attempt.", buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10))
FIRST_CHECKS = counter("first_checks", "Incidents whose first checks were asked or left out, by what became of them.", "outcome")
HEARTBEATS = counter("heartbeats", "Signs of life sent outward, by what became of them.", "result")
