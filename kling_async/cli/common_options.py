"""Options that several commands have."""

from argparse import ArgumentParser
from typing import Any

from kling_async.cli.option_values import positive, target


def add_target(parser: ArgumentParser) -> None:
    """Where to save."""
    text = "where to save; in a directory, or where it ends in /, files are called by their task, and all are saved"
    parser.add_argument("-o", "--output", metavar="FILE", type=target, help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def add_base_url(group: Any) -> None:
    """Where the service is."""
    group.add_argument("--base-url", metavar="URL", help="address of the service, else KLING_BASE_URL")


def add_waiting(group: Any) -> None:
    """How long to wait for a task, and how often to ask for it."""
    text = "how long to wait (default: 7200)"
    group.add_argument("--deadline", type=positive, default=7200.0, metavar="SECONDS", help=text)
    text = "ask for the task on this fixed beat (else when a result can be expected)"
    group.add_argument("--poll", type=positive, metavar="SECONDS", help=text)


def add_output(parser: ArgumentParser) -> None:
    """How the result is written."""
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, also for errors")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only the result")
