"""`python -m tests.lies` prints docs/lies.md."""

import sys

from tests.lies.page import page

if __name__ == "__main__":
    sys.stdout.write(page())
