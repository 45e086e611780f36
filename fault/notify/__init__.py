"""Telling others: what the fault service announces goes through an outbox to webhooks, at least once and in order.

`outbox.Notifier` writes the rows within the transaction that made them true and delivers them after it.
"""
