"""`python -m simulator`: run the simulated network until the parent ends or a signal comes."""

import sys

from simulator.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
