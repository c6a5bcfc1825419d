"""The words of the command line: all commands and options, and nothing that is slow to import."""

import argparse
import importlib.metadata
import re
import shutil
import sys
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from kling_async.cli import endpoints, record_options
from kling_async.cli.exit_codes import Exit, UsageError
from kling_async.cli.option_values import number, port, positive, target, whole, whole_from
from kling_async.methods import having_word, nearest
from kling_async.protocol.rules.values import in_words

_KEYS = """\
API keys are read from the environment only, never from options, where every user of the machine could see them:
  KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY
  KLING_BASE_URL (default: https://api-singapore.klingai.com; accounts made in China: https://api-beijing.klingai.com)
Without a key, --emulator makes a video on an emulator that runs inside the command.
"""

_DESCRIPTION = "Turn images into videos with the Kling AI API, and never pay twice."


def read(words: Sequence[str]) -> Namespace:
    """Reads the command line.

    Raises:
        UsageError: it cannot be understood.
        SystemExit: `--help` or `--version` was asked for, and shown.
    """
    chosen = words[0] if words else ""
    parser, commands = _parser(chosen)
    if chosen and not chosen.startswith("-") and chosen not in commands:
        nearest = _nearest(chosen.replace("_", "-"), commands)
        raise UsageError(f"there is no command {chosen!r}{nearest}", f"see `{parser.prog} --help`")
    options, unknown = parser.parse_known_args(words)
    if unknown:
        command = commands[options.command]
        command.error(f"unrecognized arguments: {' '.join(unknown)}{_about_unknown(unknown[0], command)}")
    return options


def _about_unknown(word: str, command: ArgumentParser) -> str:
    """What was probably meant by a word that a command does not take."""
    if not word.startswith("-"):
        return _about_file(command) if Path(word).is_file() else "; a text with spaces needs quotes around it"
    option = word.partition("=")[0]
    own = re.findall(r"--[a-z][a-z-]*", command.format_help())
    if not having_word(option, own) and (others := endpoints.that_take(option)):
        return f"; it is an option of {in_words(others)}"
    return _nearest(option, own)


def _about_file(command: ArgumentParser) -> str:
    """Where a file goes that a command does not take without an option."""
    name = command.get_default("endpoint")
    fields = record_options.fields_of(endpoints.record(name)) if name else []
    options = [field.option for field in fields if field.has_files]
    if options:
        return f"; each file needs its option before it: {in_words(options)}"
    others = endpoints.that_take(None)
    return f"; a file is for {in_words(others)}" if others else ""


def _nearest(word: str, known: Iterable[str]) -> str:
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""


class _Parser(ArgumentParser):
    """Raises its errors, so that programs get them as JSON."""

    def __init__(self, **options: Any) -> None:
        # An abbreviation would change its meaning with the next option that begins alike.
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        about, colon, what = message.partition(": ")
        if colon and what == "expected one argument":
            option = about.split()[-1].rpartition("/")[2]
            message += f"; a value that begins with a dash is joined to it: {option}=-..."
        raise UsageError(message, f"see `{self.prog} --help`")


class _Version(argparse.Action):
    """Shows the version; looked up only then."""

    def __call__(self, parser: ArgumentParser, *_: object) -> None:
        if sys.stdout is not None:
            sys.stdout.write(f"kling-async {importlib.metadata.version('kling-async')}\n")
        parser.exit()


def _parser(chosen: str) -> tuple[ArgumentParser, Mapping[str, ArgumentParser]]:
    """The parser, and that of each command by its name.

    Args:
        chosen: the first word: a command, whose options are wanted, or an option such as `--help`.
    """
    codes = "".join(f"  {code.value:>3}  {code.meaning}\n" for code in Exit)
    parser = _Parser(prog="kling-async", description=_DESCRIPTION, epilog=f"{_KEYS}\nexit codes:\n{codes}")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    _add_endpoints(commands, chosen)
    _add_save(commands)
    _add_list(commands)
    _add_models(commands)
    _add_doctor(commands)
    _add_emulator(commands)
    return parser, commands.choices


def _command(commands: Any, name: str, module: str, text: str, epilog: str = "") -> ArgumentParser:
    parser: ArgumentParser = commands.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
    parser.epilog = epilog
    parser.set_defaults(module=module)
    return parser


def _add_endpoints(commands: Any, chosen: str) -> None:
    """A command for each endpoint, with its options if it is the chosen one: records are imported on use."""
    default = _command(commands, "generate", "generate", f"make a video and save it: short for {endpoints.DEFAULT}")
    if chosen == "generate":
        _add_record(default, endpoints.DEFAULT)
    for name in endpoints.names():
        # Only the list of all commands says what each makes.
        listed = chosen in {"-h", "--help"}
        text = record_options.prose(endpoints.record(name))[0].rstrip(".") if listed else ""
        parser = _command(commands, name, "generate", text)
        if chosen == name:
            _add_record(parser, name)


def _add_record(parser: ArgumentParser, name: str) -> None:
    """All that a generation can be given."""
    record = endpoints.record(name)
    parser.set_defaults(endpoint=name, watermark=False, positional=None)
    parser.description = "\n\n".join(
        textwrap.fill(paragraph, _width(), break_on_hyphens=False) for paragraph in record_options.prose(record)
    )
    file = record_options.positional(record)
    needed = [field for field in record_options.fields_of(record) if field.is_required and field != file]
    words = [] if file is None else [f"[{file.name.upper()}]"]
    words += [f"{field.option} {'FILE' if field.has_files else field.name.upper()}" for field in needed]
    parser.usage = " ".join(["%(prog)s", *words, "-o FILE [options]"])
    parser.epilog = _epilog(record, endpoints.suffix(name))
    _add_target(parser)
    _add_output(parser)
    group = parser.add_argument_group("parameters (names of the official documentation)")
    record_options.add_options(parser, group, record)
    if record_options.watermark_field(record) is not None:
        text = "make a watermarked variant as well; saved as NAME-watermark"
        group.add_argument("--watermark", action="store_true", help=text)
    service = parser.add_argument_group("the service")
    where = service.add_mutually_exclusive_group()
    _add_base_url(where)
    text = "run on an emulator, inside this command: no key, no cost, about 7 s"
    where.add_argument("--emulator", action="store_true", help=text)
    service.add_argument(
        "--if-exists",
        choices=["raise", "adopt"],
        default="raise",
        help="an older task that has the external task id: an error, or taken as the result (default: raise)",
    )
    models = "kling-async models" + f" --endpoint {name}" * (name != endpoints.DEFAULT)
    service.add_argument(
        "--no-strict",
        dest="strict",
        action="store_false",
        help=f"send what only the capability map (`{models}`) says does not work",
    )
    _add_waiting(service)


def _add_save(commands: Any) -> None:
    parser = _command(
        commands,
        "save",
        "save",
        "wait for a task made before and save its video; goes on where a download broke off",
        "It costs nothing: the task is not made again.\n",
    )
    text = (
        "ENDPOINT:ID as it was printed when the task was made, or by `kling-async list`; ID may be your own. "
        "raw:PATH:ID names a task of any path of the service"
    )
    parser.add_argument("reference", metavar="REFERENCE", help=text)
    _add_target(parser)
    parser.add_argument("--watermark", action="store_true", help="the watermarked video, if one was asked for")
    _add_base_url(parser)
    _add_waiting(parser)
    _add_output(parser)


def _add_list(commands: Any) -> None:
    parser = _command(commands, "list", "listing", "show the account's tasks, in the service's order")
    text = f"whose tasks: the name of its command, or raw:PATH (default: {endpoints.DEFAULT})"
    parser.add_argument("endpoint", nargs="?", default=endpoints.DEFAULT, metavar="ENDPOINT", help=text)
    parser.add_argument(
        "--limit", type=whole_from(0), default=30, metavar="N", help="tasks at most, 0: all (default: 30)"
    )
    parser.add_argument("--page-size", type=whole_from(1), metavar="N", help="tasks per request, 1 to 500")
    _add_base_url(parser)
    _add_output(parser)


def _add_models(commands: Any) -> None:
    parser = _command(commands, "models", "models", "show what each model can do, and what it costs")
    parser.add_argument("model", nargs="?", metavar="MODEL", help="only this one")
    text = f"of which command (default: {endpoints.DEFAULT})"
    parser.add_argument("--endpoint", default=endpoints.DEFAULT, metavar="ENDPOINT", help=text)
    _add_output(parser)


def _add_doctor(commands: Any) -> None:
    parser = _command(
        commands,
        "doctor",
        "doctor",
        "say what is wrong before anything is paid: keys, address, network, account, disk",
        "It costs nothing: one page of the account's tasks is asked for. Keys are never shown.\n",
    )
    _add_base_url(parser)
    parser.add_argument("--out", default=".", metavar="DIR", help="where videos are to be saved (default: here)")
    _add_output(parser)


def _add_emulator(commands: Any) -> None:
    parser = _command(
        commands,
        "emulator",
        "emulator",
        "run an emulator of the service on this machine until Ctrl-C",
        "It prints lines to paste into another shell, where kling-async, and any other client, then uses it.\n"
        "Its keys are drawn anew at each start; KLING_EMULATOR_API_KEY sets the API key, for example for containers.\n",
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port, default=0, metavar="N", help="to listen on (default: 0, a free one)")
    parser.add_argument(
        "--speed", type=positive, default=20.0, metavar="N", help="times faster than the service (default: 20)"
    )
    parser.add_argument(
        "--concurrency", type=whole_from(1), default=5, metavar="N", help="tasks per model (default: 5)"
    )
    parser.add_argument("--balance", type=number, default=10_000.0, metavar="UNITS", help="default: 10000")
    parser.add_argument("--seed", type=whole, metavar="N", help="makes ids and times repeat")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer to this host name or address too, as a compose service is known by; may be repeated",
    )
    parser.add_argument(
        "--strict-types", action="store_true", help='accept the documented JSON types only, not "duration": 5'
    )
    _add_output(parser)


def _add_target(parser: ArgumentParser) -> None:
    text = "where to save; in a directory, or where it ends in /, the file is called by its task"
    parser.add_argument("-o", "--output", required=True, metavar="FILE", type=target, help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE, once the new one is whole")


def _add_base_url(group: Any) -> None:
    group.add_argument("--base-url", metavar="URL", help="address of the service, else KLING_BASE_URL")


def _add_waiting(group: Any) -> None:
    text = "how long to wait (default: 7200)"
    group.add_argument("--deadline", type=positive, default=7200.0, metavar="SECONDS", help=text)
    text = "ask for the task on this fixed beat (else when a result can be expected)"
    group.add_argument("--poll", type=positive, metavar="SECONDS", help=text)


def _add_output(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, also for errors")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only the result")


def _epilog(record: type, suffix: str) -> str:
    """Examples of this very command, and where keys are set."""
    fields = {field.name: field for field in record_options.fields_of(record)}
    file = record_options.positional(record)
    required = [field for name, field in fields.items() if field.is_required and name != "prompt"]
    needed = [f"{field.option} {'cat.jpg' if field.has_files else '...'}" for field in required]
    words = " ".join(["%(prog)s", *(["cat.jpg"] if file is not None else needed)])
    prompt = ' --prompt "the cat turns its head"' * ("prompt" in fields)
    more = prompt * (file is None) + " --mode pro" * ("mode" in fields) + " --duration 10" * ("duration" in fields)
    return f"examples:\n  {words} -o cat{suffix}{prompt} --emulator\n  {words} -o out/{more} --json\n\n{_KEYS}"


def _width() -> int:
    return shutil.get_terminal_size().columns - 2  # as argparse
