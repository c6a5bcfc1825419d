"""The options of `kling-async fleet`."""

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from typing import Final

from kling_async.cli.batch_options import add_jobs, add_parameters, rows_for
from kling_async.cli.common_options import add_base_url, add_output
from kling_async.cli.exit_codes import UsageError
from kling_async.cli.mistakes import did_you_mean
from kling_async.cli.option_values import amount, budget, number, place, positive, whole, whole_from

DSN: Final = "KLING_FLEET_DSN"
_DESCRIPTION: Final = """\
The same jobs on many machines, any of which may die, on a database of Postgres; nothing is paid twice.

  init    make the fleet's tables, and a queue: an account, with its limit and its budget
  submit  put the jobs of a file into a queue
  worker  carry jobs out, until Ctrl-C or SIGTERM
  status  show all queues and workers, or one job
  drain   begin nothing new in a queue, and wait until what was sent has ended
"""
_EPILOG: Final = f"""\
examples:
  export {DSN}=postgresql://kling:...@db.example/kling
  kling-async fleet init --limit 20
  kling-async fleet submit jobs.jsonl --save-to '{{date}}/'
  kling-async fleet worker --out /srv/clips

"""
_WORKER: Final = """\
The API key of a queue is KLING_API_KEY where its credentials are called default, else KLING_API_KEY_NAME. A worker
takes from all queues that it has a key for. SIGTERM begins nothing new, and after --grace hands over what is left; a
second one ends it at once.
"""


def add_fleet(parser: ArgumentParser, words: Sequence[str]) -> None:
    """All commands of a fleet, with their options.

    Args:
        parser: of `fleet`.
        words: behind that.

    Raises:
        UsageError: there is no such command.
    """
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.usage = "%(prog)s init|submit|worker|status|drain ..."
    commands = parser.add_subparsers(prog=parser.prog, metavar="COMMAND", dest="what", required=True, help="see above")
    adding: dict[str, Callable[[ArgumentParser], None]] = {
        "init": _add_init,
        "submit": lambda each: _add_submit(each, words[1:]),
        "worker": _add_worker,
        "status": _add_status,
        "drain": _add_drain,
    }
    for word in words[:1]:
        if not word.startswith("-") and word not in adding:
            raise UsageError(f"there is no command fleet {word}{did_you_mean(word, adding)}", "see `fleet --help`")
    for name, add in adding.items():
        each = commands.add_parser(name)
        each.set_defaults(parser=each)
        if [name] == [*words[:1]]:
            add(each)
            text = (
                f"address of the database, such as postgresql://user:password@host/database; else {DSN}, which others "
                "on this machine cannot read: an option, with its password, is seen by all of them in `ps`"
            )
            each.add_argument("--dsn", metavar="DSN", help=text)
            add_output(each)


def _add_queue(parser: ArgumentParser, text: str) -> None:
    parser.add_argument("--queue", default="default", metavar="NAME", help=f"{text} (default: default)")


def _add_init(parser: ArgumentParser) -> None:
    parser.description = (
        "Make the fleet's tables where there are none, and a queue, or change what is known of it. What is not given "
        "stays as it is in a queue that is there; one that is drained stays so, too (`fleet drain --off`)."
    )
    parser.add_argument("--limit", type=whole_from(1), required=True, metavar="N", help="the account's tasks at once")
    _add_queue(parser, "of the account")
    text = "the name of the account's API key, which itself is with the workers only (of a new queue: default)"
    parser.add_argument("--credentials", metavar="NAME", help=text)
    text = (
        "the account has a new API key: the queue works with that of the next worker that begins, so end those with "
        "the old one first (else a worker is refused whose key is another one than that of the others)"
    )
    parser.add_argument("--new-key", action="store_true", help=text)
    text = "what may be spent: units such as 60, or dollars such as 8.40usd (of a new queue: without a limit)"
    parser.add_argument("--budget", type=budget, metavar="AMOUNT", help=text)
    text = "what a request of unknown price takes of the budget (else it is not sent)"
    parser.add_argument("--assume", type=amount, metavar="AMOUNT", help=text)


def _add_submit(parser: ArgumentParser, words: Sequence[str]) -> None:
    parser.description = (
        "Put the jobs of a file into a queue, all of them or none. JOBS is as for `batch`, which describes it; the ids "
        "of its rows are the keys: the same again submits nothing twice."
    )
    name = rows_for(words)
    add_jobs(parser, name)
    _add_queue(parser, "to put them into")
    text = (
        "where files go, below the --out of the worker; {key}, {task_id} and {date} are filled in; what ends in / is a "
        "folder, in which files are called by the key with their ending, such as boat.mp4 (default: --out itself)"
    )
    parser.add_argument("--save-to", metavar="TEMPLATE", help=text)
    parser.add_argument("--priority", type=whole, default=0, metavar="N", help="those with more first (default: 0)")
    add_parameters(parser, name)


def _add_worker(parser: ArgumentParser) -> None:
    parser.description = "Carry jobs out, until Ctrl-C or SIGTERM."
    parser.epilog = _WORKER
    parser.add_argument("-o", "--out", type=place, required=True, metavar="DIR", help="where results go")
    text = "how long to wait for what it has when it ends (default: 30)"
    parser.add_argument("--grace", type=number, default=30.0, metavar="SECONDS", help=text)
    text = "silence after which others go on with its work, the same for all workers (default: 30)"
    parser.add_argument("--heartbeat", type=positive, default=30.0, metavar="SECONDS", help=text)
    add_base_url(parser)


def _add_status(parser: ArgumentParser) -> None:
    parser.description = "Show all queues and workers, or one job."
    parser.add_argument("key", nargs="?", metavar="KEY", help="of a job")
    text = "that it is in (default: default); without KEY, show only this queue"
    parser.add_argument("--queue", metavar="NAME", help=text)


def _add_drain(parser: ArgumentParser) -> None:
    parser.description = "Begin nothing new in a queue, and wait until what was sent has ended."
    _add_queue(parser, "to drain")
    parser.add_argument("--off", action="store_true", help="begin again")
