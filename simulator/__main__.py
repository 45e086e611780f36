"""`python -m simulator`: run the simulated network until the parent ends or a signal comes."""

import sys

from station.lean import lean

if __name__ == "__main__":
    lean()
    from simulator.command import main

    sys.exit(main(sys.argv[1:]))
