"""``python -m hogblock.cli``."""

import sys

from hogblock.cli.parser import main

sys.exit(main())
