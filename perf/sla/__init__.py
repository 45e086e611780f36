"""Service levels: how long a service was up within what was promised, and what follows from it."""
