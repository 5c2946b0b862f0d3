"""`python -m swapyard`."""

import sys

from swapyard.cli import main

if __name__ == "__main__":
    sys.exit(main())
