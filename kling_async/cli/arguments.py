"""Parses the command line: all commands and options, without slow imports."""

import argparse
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from kling_async.cli import endpoints
from kling_async.cli.common_options import add_base_url, add_output, add_target, add_waiting
from kling_async.cli.endpoint_options import KEYS, add_endpoint
from kling_async.cli.exit_codes import Exit, Shown, UsageError
from kling_async.cli.mistakes import about_command, about_unknown
from kling_async.cli.option_values import amount, place, port, positive, whole, whole_from
from kling_async.cli.output import columns_of_help
from kling_async.version import __version__

_SHORT: Final = "generate"
"""Alias of the default endpoint's command."""
_SHORT_TEXT: Final = f"short for {endpoints.DEFAULT}"
_HELP: Final = {"-h", "--help"}
_DESCRIPTION: Final = "Make videos, pictures and sound with the Kling AI API, and never pay twice."


def read(words: Sequence[str]) -> Namespace:
    """Parses the command line.

    Raises:
        UsageError: it is invalid.
        Shown: it contains `--help` or `--version`.
    """
    makers = [_SHORT, *endpoints.names()]
    if _omits_command(words, makers):
        words = ["estimate", _SHORT, *words[1:]]
    parser, commands = _parser(words)
    for word, known in zip(words, [commands, makers] if words[:1] == ["estimate"] else [commands], strict=False):
        if not word.startswith("-") and word not in known:
            hint = about_command(word, known)
            raise UsageError(f"there is no command {word!r}{hint}", f"see `{parser.prog} --help`")
    options, unknown = parser.parse_known_args(words)
    if unknown:
        command = options.parser
        command.error(f"unrecognized arguments: {' '.join(unknown)}{about_unknown(unknown[0], command)}")
    options.words = list(words)
    return options


def _omits_command(words: Sequence[str], makers: Sequence[str]) -> bool:
    """Whether the words are an `estimate` with options but no command, which estimates `generate`."""
    begins = words[:1] == ["estimate"] and words[1:2] != [] and words[1].startswith("-") and words[1] not in _HELP
    return begins and not {*makers} & {*words}


class _Parser(ArgumentParser):
    """Raises its errors, so that programs get them as JSON."""

    def __init__(self, **options: Any) -> None:
        # A new option with the same beginning would change the meaning of an abbreviation.
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def print_help(self, file: object = None) -> NoReturn:  # noqa: ARG002  (argparse names it)
        raise Shown(self.format_help().rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        argument, colon, problem = message.partition(": ")
        if colon and problem == "expected one argument":
            option = argument.split()[-1].rpartition("/")[2]
            message += f"; a value that begins with a dash is joined to it: {option}=-..."
        raise UsageError(message, f"see `{self.prog} --help`")


class _Version(argparse.Action):
    """Shows the version."""

    def __call__(self, *_: object) -> NoReturn:
        raise Shown(f"kling-async {__version__}")


def _parser(chosen: Sequence[str]) -> tuple[ArgumentParser, Mapping[str, ArgumentParser]]:
    """Returns the parser, and the parser of each command by its name.

    Args:
        chosen: the words of the command line. The first is the command whose options are added, or an option such as
            `--help`.
    """
    parser = _Parser(prog="kling-async", usage="%(prog)s COMMAND ...", description=_DESCRIPTION)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    commands = parser.add_subparsers(
        prog=parser.prog, metavar="COMMAND", dest="command", required=True, help=argparse.SUPPRESS
    )
    _add_endpoints(commands, chosen)
    _add_estimate(commands, chosen)
    _add_batch(commands, chosen)
    _add_fleet(commands, chosen)
    _add_save(commands)
    _add_list(commands)
    _add_models(commands)
    _add_costs(commands)
    _add_doctor(commands)
    _add_emulator(commands)
    if chosen and chosen[0] in _HELP:
        codes = "".join(f"  {code.value:>3}  {code.meaning}\n" for code in Exit)
        parser.description = f"{_DESCRIPTION}\n\n{_listed(commands.choices)}"
        parser.epilog = f"{KEYS}\nexit codes:\n{codes}"
    return parser, commands.choices


def _listed(commands: Mapping[str, ArgumentParser]) -> str:
    """Returns the list of commands with a summary of each: endpoints grouped by folder, then all others."""
    folders = endpoints.folders()
    makers = {name for names in folders.values() for name in names}
    groups = {
        **{folder: {name: endpoints.summary(name) for name in names} for folder, names in folders.items()},
        "more": {name: str(each.description).rstrip(".") for name, each in commands.items() if name not in makers},
    }
    column = max(map(len, commands)) + 4
    width = columns_of_help()
    return "\n\n".join(
        "\n".join([f"{heading}:", *(_listed_one(name, text, column, width) for name, text in texts.items())])
        for heading, texts in groups.items()
    )


def _listed_one(name: str, text: str, column: int, width: int) -> str:
    begin = f"  {name}".ljust(column)
    return textwrap.fill(text, width, initial_indent=begin, subsequent_indent=" " * column, break_on_hyphens=False)


def _command(commands: Any, name: str, module: str, text: str, epilog: str = "") -> ArgumentParser:
    parser: ArgumentParser = commands.add_parser(name, description=f"{text[:1].upper()}{text[1:]}.")
    parser.epilog = epilog
    parser.set_defaults(module=module, parser=parser)
    return parser


def _add_endpoints(commands: Any, chosen: Sequence[str]) -> None:
    """Adds a command for each endpoint, with options for the chosen one only: other records are not imported."""
    for name in [_SHORT, *endpoints.names()]:
        parser = _command(commands, name, "generate", _SHORT_TEXT)
        if [name] == [*chosen[:1]]:
            add_endpoint(parser, endpoints.meant(endpoints.DEFAULT if name == _SHORT else name, chosen[1:]))


def _add_estimate(commands: Any, chosen: Sequence[str]) -> None:
    """Adds `estimate`, which precedes another command and takes that command's options."""
    parser = _command(
        commands,
        "estimate",
        "estimate",
        "check a request, and show what it costs; nothing is sent, and no key is needed",
        f"commands: {', '.join([_SHORT, *endpoints.names()])}\n",
    )
    parser.usage = "%(prog)s COMMAND ..., with the same options as the command itself"
    if chosen[:1] != ["estimate"]:
        return
    inner = parser.add_subparsers(
        prog=parser.prog, metavar="COMMAND", dest="what", required=True, help=argparse.SUPPRESS
    )
    for name in [_SHORT, *endpoints.names()]:
        each = _command(inner, name, "estimate", "")
        if [name] == [*chosen[1:2]]:
            meant = endpoints.meant(endpoints.DEFAULT if name == _SHORT else name, chosen[2:])
            add_endpoint(each, meant, sends=False)


def _add_batch(commands: Any, chosen: Sequence[str]) -> None:
    text = "run all jobs of a file; it may be killed and run again at any time, and nothing is paid twice"
    parser = _command(commands, "batch", "batch", text)
    if [*chosen[:1]] == ["batch"]:
        from kling_async.cli.batch_options import add_batch  # noqa: PLC0415  (schemas of rows; only with batches)

        add_batch(parser, chosen[1:])


def _add_fleet(commands: Any, chosen: Sequence[str]) -> None:
    text = "run jobs on several machines, any of which may die; nothing is paid twice"
    parser = _command(commands, "fleet", "fleet", text)
    if [*chosen[:1]] == ["fleet"]:
        from kling_async.cli.fleet_options import add_fleet  # noqa: PLC0415  (schemas of rows; only with fleets)

        add_fleet(parser, chosen[1:])


def _add_save(commands: Any) -> None:
    parser = _command(
        commands,
        "save",
        "save",
        "wait for an existing task and save its results; resumes a download that broke off",
        "It costs nothing: the task is not made again.\n",
    )
    text = (
        "ENDPOINT:ID as printed when the task was made, or by `kling-async list`; ID may be your own. "
        "raw:PATH:ID names a task of any path of the service"
    )
    parser.add_argument("reference", metavar="REFERENCE", help=text)
    add_target(parser)
    parser.add_argument("--watermark", action="store_true", help="the watermarked variant, if one was requested")
    add_base_url(parser)
    add_waiting(parser)
    add_output(parser)


def _add_list(commands: Any) -> None:
    parser = _command(commands, "list", "listing", "show the account's tasks, in the service's order")
    text = f"endpoint of the tasks: the name of its command, or raw:PATH (default: {endpoints.DEFAULT})"
    parser.add_argument("endpoint", nargs="?", default=endpoints.DEFAULT, metavar="ENDPOINT", help=text)
    parser.add_argument(
        "--limit", type=whole_from(0), default=30, metavar="N", help="tasks at most, 0: all (default: 30)"
    )
    parser.add_argument("--page-size", type=whole_from(1), metavar="N", help="tasks per request, 1 to 500")
    add_base_url(parser)
    add_output(parser)


def _add_models(commands: Any) -> None:
    parser = _command(commands, "models", "models", "show what each model can do, and what it costs")
    parser.add_argument("model", nargs="?", metavar="MODEL", help="only this one")
    text = f"command whose models to show (default: {endpoints.DEFAULT})"
    parser.add_argument("--endpoint", default=endpoints.DEFAULT, metavar="ENDPOINT", help=text)
    add_output(parser)


def _add_costs(commands: Any) -> None:
    parser = _command(
        commands,
        "costs",
        "costs",
        "show the account's packs, what is left of them, and what was spent by day and model",
        "It costs nothing. The service counts what is left up to 12 hours late, and allows one query a second.\n"
        "What was spent needs an API key: with a key pair only the packs are shown.\n",
    )
    text = "days of which to show what was spent (default: 30)"
    parser.add_argument("--days", type=whole_from(1, 36_500), default=30, metavar="N", help=text)
    add_base_url(parser)
    add_output(parser)


def _add_doctor(commands: Any) -> None:
    parser = _command(
        commands,
        "doctor",
        "doctor",
        "check keys, address, network, account and disk before anything is paid",
        "It costs nothing: one page of the account's tasks is requested. Keys are never shown.\n",
    )
    add_base_url(parser)
    text = "directory that results will be saved to (default: the current one)"
    parser.add_argument("--out", type=place, default=".", metavar="DIR", help=text)
    add_output(parser)


def _add_emulator(commands: Any) -> None:
    parser = _command(
        commands,
        "emulator",
        "emulator",
        "run an emulator of the service on this machine until Ctrl-C",
        "It prints lines to paste into another shell, where kling-async and any other client then use it.\n"
        "It draws new keys at each start; KLING_EMULATOR_API_KEY sets the API key, for example for containers.\n"
        "KLING_EMULATOR_WEBHOOK_SECRET sets the secret that signs callbacks; two, separated by a space, while they\n"
        "rotate. The console's test callback is posted by\n"
        """  curl -H 'Content-Type: application/json' -d '{"url": "http://127.0.0.1:8000/kling"}' \\\n"""
        "    $KLING_BASE_URL/_emulator/webhooks/test\n",
    )
    parser.add_argument("--sign-callbacks", action="store_true", help="sign callbacks; draws a secret if none is set")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, default=0, metavar="N", help="to listen on (default: 0, a free one)")
    parser.add_argument(
        "--speed", type=positive, default=20.0, metavar="N", help="times faster than the service (default: 20)"
    )
    parser.add_argument(
        "--concurrency", type=whole_from(1), default=5, metavar="N", help="tasks per model (default: 5)"
    )
    parser.add_argument("--balance", type=amount, default=10_000.0, metavar="UNITS", help="default: 10000")
    parser.add_argument("--seed", type=whole, metavar="N", help="makes ids and times repeat")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer to this host name or address too, such as the name of a compose service; may be repeated",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse unknown parameters, which the service ignores (and bills the task)",
    )
    parser.add_argument(
        "--strict-types", action="store_true", help='accept the documented JSON types only, not "duration": 5'
    )
    add_output(parser)
