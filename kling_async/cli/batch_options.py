"""The options of `kling-async batch`."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Final

from kling_async.batch.schema import NOT_IN_ROWS
from kling_async.cli import endpoints, record_options
from kling_async.cli.common_options import add_base_url, add_waiting
from kling_async.cli.endpoint_options import KEYS, add_model
from kling_async.cli.exit_codes import UsageError
from kling_async.cli.mistakes import did_you_mean
from kling_async.cli.option_values import amount, budget, place, whole_from
from kling_async.cli.record_fields import Field, fields_of
from kling_async.protocol.endpoint import Endpoint

_DESCRIPTION: Final = """\
Run all jobs of a file. The command may be killed and run again at any time; nothing is paid twice.

JOBS is JSONL (an object with a request's parameters on each line), CSV (their names in the first line), or a folder of
pictures, with --prompt and the like for all. A row may have an id, which names its files, and an endpoint, which is
the name of its command; paths of files are relative to JOBS. --schema prints all that a row can have.

All rows are checked before anything is paid. The same command again continues where the last run ended: results that
exist are not made again. report.html in DIR shows all rows.
"""
_EPILOG: Final = f"""\
examples:
  kling-async batch jobs.jsonl --out clips/ --dry-run
  kling-async batch jobs.jsonl --out clips/ --budget 60 --skip-invalid
  kling-async batch pictures/ --out clips/ --prompt "it moves" --mode pro --budget 8.40usd
  kling-async batch --schema {endpoints.DEFAULT}

exit codes:
    0  all rows are done, except those that --skip-invalid skipped
    1  some rows failed, were over the budget, or are not known to have ended
    2  the command or some rows are invalid; nothing was sent
  130  Ctrl-C, or 143 after SIGTERM: the first waits for running tasks, the second ends the command at once
With --json each line on stdout is an object. Its event is problem, plan, progress, row, stopping or end; end is the
last, and has exit_code.

"""


def add_batch(parser: ArgumentParser, words: Sequence[str]) -> None:
    """Adds all options, with those of the endpoint that the rows are for.

    Args:
        parser: of the command.
        words: after the command.

    Raises:
        UsageError: there is no such endpoint, or it makes no tasks.
    """
    name = rows_for(words)
    parser.usage = "%(prog)s JOBS --out DIR [options]\n       %(prog)s --schema ENDPOINT"
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG + KEYS
    add_jobs(parser, name, nargs="?")
    text = "directory of results, report and journal; the same command again continues there"
    parser.add_argument("-o", "--out", metavar="DIR", help=text)
    parser.add_argument("--schema", metavar="ENDPOINT", help="print the JSON schema of a row, and end")
    _add_how(parser)
    parser.add_argument("--json", action="store_true", help="an event on each line of stdout, as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only the end")
    add_parameters(parser, name)
    _add_service(parser)


def rows_for(words: Sequence[str]) -> str:
    """Returns the command of the endpoint that the words give for all rows.

    Raises:
        UsageError: there is none, or it answers at once.
    """
    return endpoint_that_makes(_endpoint_in(words))


def add_jobs(parser: ArgumentParser, name: str, nargs: str | None = None) -> None:
    """Adds the argument for the jobs, and the option for their endpoint."""
    parser.add_argument("jobs", nargs=nargs, metavar="JOBS", help="a file of JSONL or CSV, or a folder of pictures")
    text = f"endpoint of rows that name none (default: {endpoints.DEFAULT})"
    parser.add_argument("--endpoint", default=name, metavar="NAME", help=text)
    parser.set_defaults(rows_for=name)


def add_parameters(parser: ArgumentParser, name: str) -> None:
    """Adds options for the parameters of an endpoint, as defaults of its rows."""
    group = parser.add_argument_group(f"defaults for rows of {name}")
    record_options.add_named(group, fields_in_rows(name), piped=False)
    add_model(group, name, parser.prog)


def endpoint_that_makes(name: str) -> str:
    """Returns the command of an endpoint that rows can be for.

    Raises:
        UsageError: there is none, or it answers at once.
    """
    known = [each for each in endpoints.names() if isinstance(endpoints.described(each), Endpoint)]
    known += filter(None, map(endpoints.current_of, known))
    found = name.replace("_", "-")
    if found in known:
        return found
    if found in endpoints.names():
        raise UsageError(f"{found} answers at once, and is not for batches", "see `kling-async batch --help`")
    hint = did_you_mean(found, known) or f"; use one of {', '.join(known)}"
    raise UsageError(f"there is no endpoint {name!r}{hint}", "see `kling-async batch --help`")


def fields_in_rows(name: str) -> list[Field]:
    """Returns the parameters that rows of this endpoint can have."""
    return [field for field in fields_of(endpoints.record(name)) if field.name not in NOT_IN_ROWS]


def _endpoint_in(words: Sequence[str]) -> str:
    """Returns the endpoint that the words name; found before they are parsed, since it determines the options."""
    finder = ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--endpoint", nargs="?")
    return endpoints.meant(finder.parse_known_args(words)[0].endpoint or endpoints.DEFAULT, words)


def _add_how(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("execution")
    group.add_argument("--dry-run", action="store_true", help="check all rows and show the cost; nothing is sent")
    group.add_argument("--skip-invalid", action="store_true", help="go on without invalid rows")
    text = (
        "limit on spending, over all runs into DIR that have a budget: units such as 60, or dollars such as 8.40usd; "
        "another amount in a later run changes it"
    )
    group.add_argument("--budget", type=budget, metavar="AMOUNT", help=text)
    text = "what a request of unknown price takes of the budget (else it is not sent)"
    group.add_argument("--assume", type=amount, metavar="AMOUNT", help=text)
    text = "tasks at once per model, as your resource pack allows (default: 5)"
    group.add_argument("--concurrency", type=whole_from(1), default=5, metavar="N", help=text)
    text = "make rows again that failed in an earlier run"
    group.add_argument("--retry-failed", action="store_true", help=text)
    text = "make and save a watermarked variant as well, where the endpoint has one"
    group.add_argument("--watermark", action="store_true", help=text)
    text = "file that records what was sent and made (default: DIR/journal.sqlite)"
    group.add_argument("--journal", type=place, metavar="FILE", help=text)


def _add_service(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("the service")
    where = group.add_mutually_exclusive_group()
    add_base_url(where)
    text = "run on an emulator, inside this command: no key, no cost"
    where.add_argument("--emulator", action="store_true", help=text)
    add_waiting(group)
