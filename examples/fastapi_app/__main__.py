"""Runs one process: `python -m examples.fastapi_app [--emulator]`."""

import contextlib

import uvicorn

from examples.fastapi_app.app import application
from examples.web_service.settings import from_command_line

if __name__ == "__main__":
    listener, settings = from_command_line()
    config = uvicorn.Config(application(settings), access_log=False)  # it would show the token of callbacks
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listener])
