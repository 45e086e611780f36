"""Events become alarms, alarms incidents with one root, incidents messages to whoever must act.

`alarms` is the pure state machine, `rules` give messages a meaning, `correlation` names the root, `notify` tells others.
"""
