"""Dunning: what happens to a customer who does not pay, stage by stage as `config/dunning/<name>.toml` says.

Every stage is a fact with its audit record, its requests to the network wait in an outbox, and a payment takes them back.
"""
