"""Measurement files for other systems: what is collected by jobs and on demand, over TMF628."""
