"""Learning which alarms cause which, from history alone: a topological Hawkes process over alarm classes.

Events come in as columns (`events`), `hawkes` fits by expectation maximisation, `graph` chooses the edges by BIC, acyclic.
"""
