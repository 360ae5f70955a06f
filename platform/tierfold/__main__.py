"""`python -m tierfold` is `tierfold`."""

import sys

from tierfold.cli import main

if __name__ == "__main__":
    sys.exit(main())
