"""A worker of a web service: BASE_URL JOURNAL PORT ROLE.

Each has a client of the one journal, whose tasks are called back at the port. `receiver` takes the callbacks there;
`owner` makes the clip of a key and hardly ever polls it, `follower` waits for the same key and polls often. Each
prints when it is ready, and when its clip is saved.
"""

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from kling_async import KlingClient, Polling, TextToVideo
from kling_async.web import CallbackReceiver
from tests.web.callbacks import SECRET

CAT = TextToVideo("a cat")
POLLING = {"owner": Polling(first=1000, maximum=1000), "follower": Polling(first=0.1, maximum=0.2)}


def say(text: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(base_url: str, journal: str, port: str, role: str) -> None:
    """Plays the role."""
    async with KlingClient(
        base_url=base_url,
        api_key="api-key-kling-emulator",
        journal=journal,
        callback_url=f"http://127.0.0.1:{port}/",
        polling=POLLING.get(role),
    ) as client:
        if role == "receiver":
            app = web.Application()
            app.router.add_post("/", CallbackReceiver(client, [SECRET]).aiohttp_handler)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", int(port)).start()
            say("ready")
            await asyncio.Event().wait()
        handle = await client.submit(CAT, key="cat", save_to=Path(journal).with_name(f"{role}.mp4"))
        say(handle.reference)
        say(str(await handle.save()))


asyncio.run(main(*sys.argv[1:]))
