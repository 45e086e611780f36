"""Root cause: compile the topology into hypotheses, match the alarms, explain them away.

Pure: the service feeds alarm changes and gets incident changes (`contract.py`).
"""
