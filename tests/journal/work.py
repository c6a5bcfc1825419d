"""A process with a journal: BASE_URL JOURNAL STEP..., whose steps are run in order.

`submit` makes a task; `key` submits a key, `same` twenty times at once; `hold` prints a line and waits to be killed;
`fork` uses the client in a forked child; `child` starts a child that outlives the process; `recover` prints the
recovered tasks, `watch` those recovered until a line is read, and ends at the next line; `ask` makes a task with a new
key once a line is read.
"""

import asyncio
import os
import sys

from kling_async import KlingClient, KlingError, Polling, Retry, TaskHandle, TextToVideo

CAT = TextToVideo("a cat")


def say(text: str) -> None:
    """Prints a line immediately."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def forked(client: KlingClient) -> None:
    """Uses the client in a child, and prints the error."""
    child = os.fork()
    if not child:
        try:
            asyncio._set_running_loop(None)
            asyncio.new_event_loop().run_until_complete(client.submit(CAT))
        except KlingError as error:
            say(f"{type(error).__name__}: {error}")
        os._exit(0)
    os.waitpid(child, 0)


async def watched(client: KlingClient) -> list[str]:
    """Recovers repeatedly until it reads a line, and waits for the recovered tasks."""
    say("watches")
    found: list[TaskHandle] = []
    stop = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
    while not stop.done():
        found += [handle async for handle in client.recover()]
        await asyncio.sleep(0.05)
    await asyncio.gather(*found)
    return [handle.reference for handle in found]


async def submitted(client: KlingClient) -> str:
    """Makes a task under a new key once it reads a line; returns its reference or the error."""
    await asyncio.to_thread(sys.stdin.readline)
    try:
        return (await client.submit(CAT, key="new")).reference
    except KlingError as error:
        return type(error).__name__


async def main(base_url: str, journal: str, *steps: str) -> None:
    """Runs the steps."""
    client = KlingClient(
        base_url=base_url,
        api_key="api-key-kling-emulator",
        journal=journal,
        polling=Polling(first=0.1, maximum=0.2),
        retry=Retry(first=0.05, settle=0.2),
    )
    async with client:
        for step in steps:
            await take(step, client)


async def take(step: str, client: KlingClient) -> None:  # noqa: C901  (a table)
    """Runs one step."""
    match step:
        case "submit":
            say((await client.submit(CAT)).reference)
        case "same":
            handles = await asyncio.gather(*(client.submit(CAT, key="same") for _ in range(20)))
            say(" ".join({handle.reference for handle in handles}))
        case "key":
            say((await client.submit(CAT, key="same")).reference)
        case "watch":
            say(" ".join(await watched(client)))
            await asyncio.to_thread(sys.stdin.readline)  # keeps its work until all processes have printed theirs
        case "hold":
            say("holds")
            await asyncio.Event().wait()
        case "ask":  # for a task with a new key
            say(await submitted(client))
        case "fork":
            forked(client)
        case "child":  # outlives its parent
            if not os.fork():
                os.execvp("sleep", ["sleep", "5"])  # noqa: S606, S607  (any other program)
        case "recover":
            say(" ".join([handle.reference async for handle in client.recover()]))
        case _:
            raise ValueError(step)


asyncio.run(main(*sys.argv[1:]))
