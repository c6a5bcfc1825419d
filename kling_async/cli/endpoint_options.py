"""The options of an endpoint's command: the request's parameters, and how it is run."""

import textwrap
from argparse import ArgumentParser
from typing import Any, Final

from kling_async.cli import endpoints, record_options
from kling_async.cli.common_options import add_base_url, add_output, add_target, add_waiting
from kling_async.cli.examples import examples
from kling_async.cli.output import columns_of_help
from kling_async.cli.record_fields import Field, fields_of, positional, prose, watermark_field
from kling_async.protocol.endpoint import Endpoint

KEYS: Final = """\
API keys are read from the environment only, never from options, which every user of the machine could see:
  KLING_API_KEY, or KLING_ACCESS_KEY and KLING_SECRET_KEY
  KLING_BASE_URL (default: https://api-singapore.klingai.com; accounts made in China: https://api-beijing.klingai.com)
Without a key, --emulator runs on an emulator inside the command.
"""


def add_endpoint(parser: ArgumentParser, name: str, *, sends: bool = True) -> None:
    """Adds all parameters of a request, and the options for how it is run.

    Args:
        parser: of the command.
        name: of the endpoint.
        sends: whether the command sends the request, and so needs a place for its results.
    """
    record = endpoints.record(name)
    endpoint = endpoints.described(name)
    makes_tasks = isinstance(endpoint, Endpoint)
    suffix = endpoints.suffix(name)
    parser.set_defaults(
        endpoint=name, output=None, overwrite=False, watermark=False, positional=None, needs_output=False
    )
    parser.set_defaults(if_exists="raise", strict=True)
    parser.description = "\n\n".join(_wrapped(paragraph) for paragraph in prose(record))
    parser.usage = _usage(parser.prog, record, output=suffix is not None and sends)
    parser.epilog = f"{examples(name, parser.prog)}\n{KEYS}"
    if suffix is not None:
        parser.set_defaults(needs_output=sends)
        add_target(parser)
    add_output(parser)
    group = parser.add_argument_group("parameters (names of the official documentation)")
    record_options.add_options(parser, group, record)
    add_model(group, name, parser.prog)
    if watermark_field(record) is not None:
        text = "make a watermarked variant as well; saved as NAME-watermark"
        group.add_argument("--watermark", action="store_true", help=text)
    service = parser.add_argument_group("the service")
    where = service.add_mutually_exclusive_group()
    add_base_url(where)
    text = "run on an emulator, inside this command: no key, no cost" + ", about 7 s" * makes_tasks
    where.add_argument("--emulator", action="store_true", help=text)
    if isinstance(endpoint, Endpoint) and endpoint.finds_by_external_id:
        text = "if a task with the external task id exists: raise an error, or adopt it as the result (default: raise)"
        service.add_argument("--if-exists", choices=["raise", "adopt"], help=text)
    if makes_tasks and endpoint.capabilities is not None:
        models = "kling-async models" + f" --endpoint {name}" * (name != endpoints.DEFAULT)
        text = f"send what only the capability map (`{models}`) lists as not working"
        service.add_argument("--no-strict", dest="strict", action="store_false", help=text)
    if makes_tasks:
        add_waiting(service)
    elif sends:
        parser.set_defaults(module="call")


def add_model(group: Any, name: str, prog: str) -> None:
    """Adds the option that selects a model of the current generation, if the endpoint has any.

    The option is read before all others, since it determines which those are.

    Args:
        group: gets the option.
        name: of the endpoint.
        prog: the command as it is typed.
    """
    if endpoints.current_of(name) is not None:
        text = f"a model of the current generation, with its own parameters: {prog} {endpoints.MODEL} NAME --help"
        group.add_argument(endpoints.MODEL, metavar="NAME", help=text)


def _usage(prog: str, record: type, *, output: bool) -> str:
    """Returns the usage line, with required parameters only."""
    first = positional(record)
    needed = [field for field in fields_of(record) if field.is_needed and field != first]
    words = [] if first is None else [_unnamed(first)]
    words += [f"{field.option} {record_options.metavar(field)}" for field in needed]
    # Wrapped lines begin below the command's first word; an option is not separated from its value.
    whole = " ".join(each.replace(" ", "\0") for each in [prog, *words, *["-o FILE"] * output, "[options]"])
    width = columns_of_help() - len("usage: ")
    return textwrap.fill(whole, width, subsequent_indent=" " * 9, break_on_hyphens=False).replace("\0", " ")


def _unnamed(field: Field) -> str:
    word = field.name.upper() + " ..." * (field.item is not None)
    return word if field.is_needed else f"[{word}]"


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, columns_of_help(), break_on_hyphens=False)
