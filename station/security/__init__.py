"""Who may do what, and proof of it afterwards: accounts, sessions, tokens, audit, vault, outbound guard.

There is no default account; secrets are stored as hashes or sealed, and never appear in a repr or a log.
"""

from station.security.facade import Security
from station.security.sessions import Session

__all__ = ["Security", "Session"]
