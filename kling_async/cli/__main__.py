"""`python -m kling_async.cli`."""

import sys

from kling_async.cli import main

sys.exit(main())
