"""A worker in a process of its own, with little patience; its arguments are those of `Worker`, as JSON."""

import asyncio
import json
import signal
import sys
from typing import Any

from kling_async.io import transport
from tests.fleet.workers import KEYS, QuickWorker

# What a create may take at most is waited for before its work is taken over.
for name in ("CONNECT_SECONDS", "ANSWER_SECONDS", "UPLOAD_SECONDS"):
    setattr(transport, name, 1.0)


async def main(options: dict[str, Any]) -> None:
    """Works until SIGTERM."""
    worker = QuickWorker(options.pop("dsn"), keys=KEYS, **options)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()


asyncio.run(main(json.loads(sys.argv[1])))
