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
Run jobs on many machines, any of which may die, with a Postgres database; nothing is paid twice.

  init    make the fleet's tables, and a queue: an account, with its limit and its budget
  submit  put the jobs of a file into a queue
  worker  run jobs until Ctrl-C or SIGTERM
  status  show all queues and workers, or one job
  drain   begin nothing new in a queue, and wait until all sent tasks have ended
"""
_EPILOG: Final = f"""\
examples:
  export {DSN}=postgresql://kling:...@db.example/kling
  kling-async fleet init --limit 20
  kling-async fleet submit jobs.jsonl --save-to '{{date}}/'
  kling-async fleet worker --out /srv/clips

"""
_WORKER: Final = """\
The API key of a queue is KLING_API_KEY if the queue's credentials are named default, else KLING_API_KEY_NAME. A worker
takes jobs from all queues that it has a key for. After SIGTERM it begins nothing new, and after --grace it hands over
unfinished work; a second SIGTERM ends it at once.
"""


def add_fleet(parser: ArgumentParser, words: Sequence[str]) -> None:
    """Adds all commands of `fleet`, with their options.

    Args:
        parser: of `fleet`.
        words: after `fleet`.

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
                f"address of the database, such as postgresql://user:password@host/database; better set {DSN}: other "
                "users of this machine can see options, with the password, in `ps`"
            )
            each.add_argument("--dsn", metavar="DSN", help=text)
            add_output(each)


def _add_queue(parser: ArgumentParser, text: str) -> None:
    parser.add_argument("--queue", default="default", metavar="NAME", help=f"{text} (default: default)")


def _add_init(parser: ArgumentParser) -> None:
    parser.description = (
        "Make the fleet's tables if there are none, and make a queue or change its settings. In an existing queue "
        "settings that are not given stay as they are; a drained queue stays drained (see `fleet drain --off`)."
    )
    parser.add_argument("--limit", type=whole_from(1), required=True, metavar="N", help="the account's tasks at once")
    _add_queue(parser, "of the account")
    text = "name of the account's API key; only the workers have the key itself (default for a new queue: default)"
    parser.add_argument("--credentials", metavar="NAME", help=text)
    text = (
        "the account has a new API key: the queue adopts the key of the next worker that starts, so end workers with "
        "the old key first (without this option a worker whose key differs from that of the others is refused)"
    )
    parser.add_argument("--new-key", action="store_true", help=text)
    text = "limit on spending: units such as 60, or dollars such as 8.40usd (default for a new queue: no limit)"
    parser.add_argument("--budget", type=budget, metavar="AMOUNT", help=text)
    text = "what a request of unknown price takes of the budget (else it is not sent)"
    parser.add_argument("--assume", type=amount, metavar="AMOUNT", help=text)


def _add_submit(parser: ArgumentParser, words: Sequence[str]) -> None:
    parser.description = (
        "Put the jobs of a file into a queue, all of them or none. JOBS is described in `batch --help`; the ids of its "
        "rows are the keys of jobs: the same command again submits nothing twice."
    )
    name = rows_for(words)
    add_jobs(parser, name)
    _add_queue(parser, "to put them into")
    text = (
        "path of files below the worker's --out; {key}, {task_id} and {date} are filled in; a path that ends in / is a "
        "folder, in which files are named by the key, such as boat.mp4 (default: --out itself)"
    )
    parser.add_argument("--save-to", metavar="TEMPLATE", help=text)
    parser.add_argument(
        "--priority", type=whole, default=0, metavar="N", help="jobs with a higher one go first (default: 0)"
    )
    add_parameters(parser, name)


def _add_worker(parser: ArgumentParser) -> None:
    parser.description = "Run jobs until Ctrl-C or SIGTERM."
    parser.epilog = _WORKER
    parser.add_argument("-o", "--out", type=place, required=True, metavar="DIR", help="where results go")
    text = "how long to wait at the end for unfinished work (default: 30)"
    parser.add_argument("--grace", type=number, default=30.0, metavar="SECONDS", help=text)
    text = "silence after which other workers take over its work; the same for all workers (default: 30)"
    parser.add_argument("--heartbeat", type=positive, default=30.0, metavar="SECONDS", help=text)
    add_base_url(parser)


def _add_status(parser: ArgumentParser) -> None:
    parser.description = "Show all queues and workers, or one job."
    parser.add_argument("key", nargs="?", metavar="KEY", help="of a job")
    text = "queue of the job (default: default); without KEY, show only this queue"
    parser.add_argument("--queue", metavar="NAME", help=text)


def _add_drain(parser: ArgumentParser) -> None:
    parser.description = "Begin nothing new in a queue, and wait until all sent tasks have ended."
    _add_queue(parser, "to drain")
    parser.add_argument("--off", action="store_true", help="end the drain: begin new jobs again")
