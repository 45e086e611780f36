"""Planned work: windows in which alarms are kept and marked, but neither counted nor delivered.

A window recurs by an RFC 5545 rule in local time; what it covers follows the inventory.
"""
