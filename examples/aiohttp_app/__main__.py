"""Runs one process: `python -m examples.aiohttp_app [--emulator]`."""

from aiohttp import web

from examples.aiohttp_app.app import application
from examples.web_service.settings import from_command_line

if __name__ == "__main__":
    listener, settings = from_command_line()
    web.run_app(application(settings), sock=listener, print=None, access_log=None)  # it would show callbacks' token
