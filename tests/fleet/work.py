"""A worker in a separate process, with short timeouts; its arguments are those of `Worker`, as JSON."""

import asyncio
import json
import signal
import sys
from typing import Any

from kling_async.io import transport
from tests.fleet.workers import KEYS, QuickWorker

# Work is taken over only after the longest time that a create may take.
for name in ("CONNECT_SECONDS", "ANSWER_SECONDS", "UPLOAD_SECONDS"):
    setattr(transport, name, 1.0)


async def main(options: dict[str, Any]) -> None:
    """Runs until SIGTERM."""
    worker = QuickWorker(options.pop("dsn"), keys=KEYS, **options)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()


asyncio.run(main(json.loads(sys.argv[1])))
