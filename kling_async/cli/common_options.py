"""Options shared by several commands."""

from argparse import ArgumentParser
from typing import Any

from kling_async.cli.option_values import positive, target


def add_target(parser: ArgumentParser) -> None:
    """Adds the options for the place to save to."""
    text = "where to save; in a directory, or a path that ends in /, all files of the task are saved, named after it"
    parser.add_argument("-o", "--output", metavar="FILE", type=target, help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def add_base_url(group: Any) -> None:
    """Adds the option for the service's address."""
    group.add_argument("--base-url", metavar="URL", help="address of the service (default: KLING_BASE_URL)")


def add_waiting(group: Any) -> None:
    """Adds the options for how long to wait for a task, and how often to poll it."""
    text = "how long to wait (default: 7200)"
    group.add_argument("--deadline", type=positive, default=7200.0, metavar="SECONDS", help=text)
    text = "poll the task at this fixed interval (default: when a result can be expected)"
    group.add_argument("--poll", type=positive, metavar="SECONDS", help=text)


def add_output(parser: ArgumentParser) -> None:
    """Adds the options for how the result is written."""
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, also for errors")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only the result")
