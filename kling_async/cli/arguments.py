"""The words of the command line: all commands and options, and nothing that is slow to import."""

import argparse
import importlib.metadata
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any, NoReturn

from kling_async.cli.exits import Exit, UsageError

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
    return _parser().parse_args(words)


class _Parser(ArgumentParser):
    """Raises its errors, so that programs get them as JSON."""

    def __init__(self, **options: Any) -> None:
        # An abbreviation would change its meaning with the next option that begins alike.
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see `{self.prog} --help`")


class _Version(argparse.Action):
    """Shows the version; looked up only then."""

    def __call__(self, parser: ArgumentParser, *_: object) -> None:
        if sys.stdout is not None:
            sys.stdout.write(f"kling-async {importlib.metadata.version('kling-async')}\n")
        parser.exit()


def _parser() -> ArgumentParser:
    codes = "".join(f"  {code.value:>3}  {code.meaning}\n" for code in Exit)
    parser = _Parser(prog="kling-async", description=_DESCRIPTION, epilog=f"{_KEYS}\nexit codes:\n{codes}")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_generate(commands)
    _add_save(commands)
    _add_list(commands)
    _add_models(commands)
    _add_doctor(commands)
    _add_emulator(commands)
    return parser


def _command(commands: Any, name: str, module: str, text: str, epilog: str = "") -> ArgumentParser:
    parser: ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.epilog = epilog
    parser.set_defaults(module=module)
    return parser


def _add_generate(commands: Any) -> None:
    parser = _command(commands, "generate", "generate", "make a video from an image and save it", _GENERATE_EPILOG)
    parser.add_argument(
        "image", nargs="?", metavar="IMAGE", help="first frame: a path, an http(s):// address, or - for standard input"
    )
    _add_target(parser, "where to save; a directory, or text that ends in /, gets <task id>.mp4")
    _add_parameters(parser.add_argument_group("the video (names of the official documentation)"))
    _add_advanced(parser.add_argument_group("more parameters (@FILE reads JSON from a file)"))
    service = parser.add_argument_group("the service")
    where = service.add_mutually_exclusive_group()
    where.add_argument("--base-url", metavar="URL", help="address of the service, else KLING_BASE_URL")
    where.add_argument(
        "--emulator", action="store_true", help="run on an emulator, inside this command: no key, no cost, about 7 s"
    )
    service.add_argument("--callback-url", metavar="URL", help="told of changes by the service")
    service.add_argument("--external-task-id", metavar="ID", help="your own id, unique in the account (else made)")
    service.add_argument(
        "--if-exists",
        choices=["raise", "adopt"],
        default="raise",
        help="an older task that has the external task id: an error, or taken as the result (default: raise)",
    )
    service.add_argument(
        "--no-strict",
        dest="strict",
        action="store_false",
        help="send what only the capability map (`kling-async models`) says does not work",
    )
    _add_deadline(service)
    _add_output(parser)


def _add_parameters(group: Any) -> None:
    group.add_argument("--prompt", metavar="TEXT", help="what happens")
    group.add_argument("--negative-prompt", metavar="TEXT", help="what does not")
    group.add_argument("--model-name", default="kling-v2-6", metavar="NAME", help="default: kling-v2-6")
    group.add_argument("--mode", metavar="MODE", help="std (720p), pro (1080p) or 4k (kling-v3); else std")
    group.add_argument("--duration", default="5", metavar="SECONDS", help="5 or 10; 3 to 15 with kling-v3 (default: 5)")
    group.add_argument("--image-tail", metavar="IMAGE", help="last frame, given as IMAGE is")
    group.add_argument("--sound", action=argparse.BooleanOptionalAction, help="with sound, or without")
    group.add_argument("--cfg-scale", type=float, metavar="NUMBER", help="0 to 1: how closely the prompt is followed")
    group.add_argument(
        "--camera-control",
        metavar="MOVE",
        help="zoom=5 (or horizontal, vertical, pan, tilt, roll; -10 to 10), down_back, forward_up, "
        "right_turn_forward, left_turn_forward, or JSON",
    )
    group.add_argument(
        "--watermark", action="store_true", help="make a watermarked video as well; saved as NAME-watermark"
    )


def _add_advanced(group: Any) -> None:
    group.add_argument("--static-mask", metavar="IMAGE", help="what stays still, painted; given as IMAGE is")
    group.add_argument(
        "--dynamic-masks",
        metavar="JSON",
        help='what moves: [{"mask": "area.png", "trajectories": [{"x": 279, "y": 219}, {"x": 417, "y": 65}]}]',
    )
    group.add_argument("--multi-shot", action=argparse.BooleanOptionalAction, help="several shots in one video")
    group.add_argument("--shot-type", metavar="TYPE", help="customize or intelligence")
    group.add_argument(
        "--multi-prompt", metavar="JSON", help='the shots: [{"index": 1, "prompt": "...", "duration": 3}, ...]'
    )
    group.add_argument("--element-list", metavar="IDS", help="ids of elements, with commas between")
    group.add_argument("--voice-list", metavar="IDS", help="ids of voices, with commas between")


def _add_save(commands: Any) -> None:
    parser = _command(
        commands,
        "save",
        "save",
        "wait for a task made before and save its video; goes on where a download broke off",
        "It costs nothing: the task is not made again.\n",
    )
    parser.add_argument("reference", metavar="REFERENCE", help="image2video:<task id or external task id>")
    _add_target(parser, "where to save; a directory, or text that ends in /, gets <task id>.mp4")
    parser.add_argument("--watermark", action="store_true", help="the watermarked video, if one was asked for")
    parser.add_argument("--base-url", metavar="URL", help="address of the service, else KLING_BASE_URL")
    _add_deadline(parser)
    _add_output(parser)


def _add_list(commands: Any) -> None:
    parser = _command(commands, "list", "listing", "show the account's tasks, in the service's order")
    parser.add_argument("--limit", type=_from(0), default=30, metavar="N", help="tasks at most, 0: all (default: 30)")
    parser.add_argument("--page-size", type=_from(1), metavar="N", help="tasks per request, 1 to 500")
    parser.add_argument("--base-url", metavar="URL", help="address of the service, else KLING_BASE_URL")
    _add_output(parser)


def _add_models(commands: Any) -> None:
    parser = _command(commands, "models", "models", "show what each model can do, and what it costs")
    parser.add_argument("model", nargs="?", metavar="MODEL", help="only this one")
    _add_output(parser)


def _add_doctor(commands: Any) -> None:
    parser = _command(
        commands,
        "doctor",
        "doctor",
        "say what is wrong before anything is paid: keys, address, network, account, disk",
        "It costs nothing: one page of the account's tasks is asked for. Keys are never shown.\n",
    )
    parser.add_argument("--base-url", metavar="URL", help="address of the service, else KLING_BASE_URL")
    parser.add_argument("--out", default=".", metavar="DIR", help="where videos are to be saved (default: here)")
    _add_output(parser)


def _add_emulator(commands: Any) -> None:
    parser = _command(
        commands,
        "emulator",
        "serve",
        "run an emulator of the service on this machine until Ctrl-C",
        "It prints lines to paste into another shell, where kling-async, and any other client, then uses it.\n"
        "Its keys are drawn anew at each start; KLING_EMULATOR_API_KEY sets the API key, for example for containers.\n",
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="to listen on (default: 0, a free one)")
    parser.add_argument(
        "--speed", type=_positive, default=20.0, metavar="N", help="times faster than the service (default: 20)"
    )
    parser.add_argument("--concurrency", type=_from(1), default=5, metavar="N", help="tasks per model (default: 5)")
    parser.add_argument("--balance", type=float, default=10_000.0, metavar="UNITS", help="default: 10000")
    parser.add_argument("--seed", type=int, metavar="N", help="makes ids and times repeat")
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


def _add_target(parser: ArgumentParser, text: str) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="FILE", type=_target, help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing FILE, once the new one is whole")


def _add_deadline(group: Any) -> None:
    group.add_argument(
        "--deadline", type=_positive, default=7200.0, metavar="SECONDS", help="how long to wait (default: 7200)"
    )


def _add_output(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, also for errors")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only the result")


_GENERATE_EPILOG = f"""\
examples:
  kling-async generate cat.jpg -o cat.mp4 --prompt "the cat turns its head" --emulator
  kling-async generate cat.jpg -o out/ --mode pro --duration 10 --sound --json
  curl -s https://example.com/cat.jpg | kling-async generate - -o cat.mp4 --camera-control zoom=5 --model-name kling-v1

{_KEYS}"""


# --------------------------------------------------------------------------------------------- single words


def _from(least: int) -> Any:
    def whole_number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more, got {value}")
        return value

    return whole_number


def _port(text: str) -> int:
    value = int(text)
    if value not in range(65536):
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, got {value}")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0, got {text}")
    return value


def _target(text: str) -> str:
    if text == "-":
        raise argparse.ArgumentTypeError("a video is saved to a file (standard output cannot be resumed)")
    return text
