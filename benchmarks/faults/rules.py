"""The rows for rules whose inputs run on servers other than the emulator, and for rules about calls that cost nothing.

Other rows are in the modules next to this one.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.faults.row import Row
from tests.cli.conftest import CAT
from tests.faults import answers, around, hosts
from tests.faults.ends import Case, End, virtual
from tests.faults.other_service import page
from tests.shell.stub import Answer, refusal

DOUBT: Final = "`CreateInDoubt`, then saved"
DOWNLOAD: Final = "`DownloadError`, then saved"

_Story = Callable[..., Awaitable[End]]


def one(story: _Story, **given: Any) -> dict[str, Case]:
    """Returns one input."""
    return {"it": virtual(partial(story, **given))}


def each(story: _Story, argument: str, values: Mapping[str, Any], **given: Any) -> dict[str, Case]:
    """Returns an input for each of these values of the argument."""
    return {name: virtual(partial(story, **{argument: value}, **given)) for name, value in values.items()}


def files(table: Mapping[str, bytes], make: Callable[[bytes], hosts.FileAnswer]) -> dict[str, Case]:
    """Returns an input for each of these files."""

    def case(body: bytes) -> Case:
        return virtual(partial(hosts.a_file, file=partial(make, body), content=body))

    return {name: case(body) for name, body in table.items()}


def _clock(name: str) -> Callable[[Path], Awaitable[End]]:
    wrong, how = answers.CLOCKS[name]
    return partial(answers.wrong_clock, wrong=wrong, how=how)


def _target(name: str) -> Callable[[Path], Awaitable[End]]:
    place, lacks = hosts.TARGETS[name]
    return partial(hosts.bad_target, place=place, lacks=lacks)


LATE: Final[dict[str, Answer]] = {"reset": None, "500 and code 5000": refusal(500, 5000), "page 502": page(502)}
FOREIGN: Final = (
    f"one of {len(answers.ANSWERS)} answers that are not the service's (pages, empty ones, other envelopes)"
)

EVIDENCE: Final = (
    Row(
        rule=1,
        done=f"a create takes effect and is answered by {FOREIGN}",
        must_be="1 paid, found, saved",
        cases=each(answers.create_answered, "raw", answers.ANSWERS),
        within=60,
    ),
    Row(
        rule=1,
        done="its answer is lost, and one of them answers each look-up for 40 s",
        must_be="no absence: 1 paid, saved",
        cases=each(answers.look_ups_answered, "raw", answers.ANSWERS),
        within=120,
    ),
    Row(
        rule=1,
        done="a gateway's page, or another of them, answers the create and every look-up",
        must_be="1 paid; `CreateInDoubt`, whose reference works once the service answers",
        cases=each(answers.all_answered, "raw", answers.ANSWERS),
        came=DOUBT,
        within=65,
        sells=True,
    ),
    Row(
        rule=1,
        done="a login page, or another of them, answers four polls, 48 s after the create (task of 400 s)",
        must_be="waits on: 1 paid, saved",
        cases=each(answers.polls_answered, "raw", answers.ANSWERS),
        sells=True,
    ),
    Row(
        rule=1,
        done="one of them answers `attach`, `get_task` and `tasks` three times each",
        must_be="retried, saved; no `TaskNotFound`",
        cases=each(answers.reads_answered, "raw", answers.ANSWERS),
        within=60,
    ),
    Row(
        rule=1,
        done="from the second answer on HTTP 418 with code 777, until the budget is over",
        must_be="an error with status, code and text of the answer",
        cases=one(answers.never_again),
        paid=0,
        saved=0,
        came="`BadResponse`",
        says="HTTP 418.*code 777.*teapot",
        within=305,
    ),
)

SENDS: Final = (
    Row(
        rule=2,
        done="another gateway's task answers the create, its `task_not_exist` all look-ups",
        must_be="1 sent, in doubt within `settle`",
        cases=one(answers.gateways_own_task),
        came=f"{DOUBT}; 1 sent",
        within=20,
    ),
    Row(
        rule=2,
        done="no create takes effect, no answer comes, each look-up finds nothing",
        must_be="3 sent at most, `CreateInDoubt`",
        cases=one(answers.nothing_arrives),
        paid=0,
        saved=0,
        came="`CreateInDoubt` with its reference; 3 sent",
        within=305,
    ),
    Row(
        rule=2,
        done="an answer is lost (reset, code 5000, page 502), the task shows after 40 s, later than `settle` (15 s); "
        '`on_doubt="settle"`, the default',
        must_be="what that costs where the service refuses no duplicates: 2 paid, 1 saved",
        cases=each(answers.shows_after_settle, "raw", LATE, on_doubt="settle"),
        paid=2,
        came="saved; 2 sent",
    ),
    Row(
        rule=2,
        done='the same with `on_doubt="raise"`',
        must_be="1 paid; `CreateInDoubt`, then saved",
        cases=each(answers.shows_after_settle, "raw", LATE, on_doubt="raise"),
        came=f"{DOUBT}; 1 sent",
    ),
    Row(
        rule=2,
        done="the same with a gateway's 504, after which `settle` is 60 s",
        must_be="1 paid, found, saved",
        cases=each(answers.shows_after_settle, "raw", {"504": page(504)}, on_doubt="settle"),
        came="saved; 1 sent",
    ),
    Row(
        rule=2,
        done='a 2xx that cannot be read, the task shows only after 40 s, `on_doubt="settle"`',
        must_be="never sent again: 1 paid, in doubt within `settle`",
        cases=each(
            answers.shows_after_settle,
            "raw",
            {name: answers.ANSWERS[name] for name in ("page 200", "nothing, 204", "half of a JSON text", "no data")},
            on_doubt="settle",
        ),
        came=f"{DOUBT}; 1 sent",
        within=20,
    ),
    Row(
        rule=3,
        done="a proxy repeats a create and passes on only the refusal of the repetition, in 12 wordings",
        must_be="looked up: 1 paid, saved",
        cases=each(answers.repetition_refused, "raw", answers.REFUSALS),
        within=60,
    ),
    Row(
        rule=3,
        done="a genuine refusal (1200, 1201, 1202), nothing under its id",
        must_be="the refusal, with its reference; 0 paid",
        cases=each(answers.true_refusal, "code", {str(code): code for code in (1200, 1201, 1202)}),
        paid=0,
        saved=0,
        came="`RequestRefused` with its reference",
        says="nothing (is found|was created)",
        within=5,
    ),
    Row(
        rule=4,
        done="a create, or its look-ups, get an answer about another client's task",
        must_be="1 paid, its own task saved",
        cases=each(answers.answer_about_another_task, "at", {"create": "create", "look-up": "look-up"}),
        within=60,
    ),
    Row(
        rule=4,
        done="an answer comes twice on a connection that stays open, two creates (emulator)",
        must_be="2 paid, each caller has its own, in the end",
        cases=one(answers.surplus),
        paid=2,
        saved=2,
        came="each its own: .*",
    ),
)

MEMBERS: Final = (
    Row(
        rule=5,
        done=f"a result with {len(answers.STRANGE)} odd members (no id, other words, other types)",
        must_be="nothing hides it: 1 paid, saved",
        cases=each(answers.strange_members, "strange", answers.STRANGE),
    ),
    Row(
        rule=5,
        done="a failure with `videos: null`, a list or null as its result",
        must_be="`TaskFailed`",
        cases=each(answers.strange_failure, "strange", answers.FAILED),
        saved=0,
        came="`TaskFailed`",
        within=10,
    ),
    Row(
        rule=5,
        done="only a `watermark_url`; codes as digits in strings",
        must_be="1 paid, saved",
        cases={**one(answers.only_watermarked), "digits": virtual(answers.codes_as_digits)},
    ),
    Row(
        rule=5,
        done="four polls with a status that is empty, null or a number (task of 300 s)",
        must_be="polled again: 1 paid, saved",
        cases=each(answers.odd_status, "status", {"empty": "", "null": None, "number": 5}),
    ),
    Row(
        rule=6,
        done=f"{len(answers.CLOCKS)} clocks: hours wrong, set right or wrong later, a wrong `Date`, none (100 s)",
        must_be="1 paid, saved, few tokens refused",
        cases={name: virtual(_clock(name)) for name in answers.CLOCKS},
        came="saved, at most 3 tokens refused",
        within=130,
    ),
    Row(
        rule=7,
        done="reads from a wrong address (pages, redirects, another API)",
        must_be="`NotTheService` in seconds, not after 300",
        cases={
            **each(answers.read_elsewhere, "raw", answers.WRONG),
            "a redirect to itself": virtual(answers.redirected_to_itself),
        },
        paid=0,
        saved=0,
        came="`NotTheService`",
        says="base_url does not lead to the service",
        within=65,
    ),
    Row(
        rule=7,
        done="a create to a wrong address",
        must_be="`CreateInDoubt` in seconds, with what answers there",
        cases=each(answers.create_elsewhere, "raw", answers.WRONG),
        paid=0,
        saved=0,
        came="`CreateInDoubt` with its reference",
        says="does not lead to the service",
        within=65,
    ),
    Row(
        rule=7,
        done="a create to a server whose certificate is not trusted",
        must_be="reported at once, with `SSL_CERT_FILE`; nothing sent",
        cases=one(answers.untrusted),
        paid=0,
        saved=0,
        came="`ConnectionFailed`",
        says="cannot be verified.*SSL_CERT_FILE",
        within=5,
    ),
)

FILES: Final = (
    Row(
        rule=9,
        done=f"{len(hosts.COMPLETE)} complete files that look odd or are no MP4, with a length",
        must_be="published",
        cases=files(hosts.COMPLETE, hosts.complete),
        within=60,
        sells=True,
    ),
    Row(
        rule=9,
        done="the same without a length",
        must_be="published, after the same bytes twice",
        cases=files(hosts.COMPLETE, hosts.unmeasured),
        within=60,
    ),
    Row(
        rule=9,
        done=f"an MP4 under {len(hosts.TYPES)} wrong types, with status {', '.join(map(str, hosts.STATUSES))}",
        must_be="published",
        cases={
            f"{kind} {status}": virtual(partial(hosts.a_file, file=partial(hosts.typed, kind, status)))
            for kind in hosts.TYPES
            for status in hosts.STATUSES
        },
        within=60,
    ),
    Row(
        rule=9,
        done=f"{len(hosts.TEXT)} texts in place of the video (pages, JSON, XML, packed, UTF-16)",
        must_be="refused by their bytes; saved again later",
        cases=each(hosts.a_file, "file", hosts.TEXT),
        came=DOWNLOAD,
        says="instead of a video",
        within=60,
    ),
    Row(
        rule=10,
        done=f"{len(hosts.CUT)} hosts that cut, change, pack or misjudge the file, and have it in the end",
        must_be="saved in one call",
        cases=each(hosts.a_file, "file", hosts.CUT),
        within=120,
    ),
    Row(
        rule=10,
        done=f"{len(hosts.ENDLESS) + 1} hosts that never come to an end (cut at varying places, crawl, send nothing)",
        must_be="given up by twice the budget; saved again later",
        cases={**each(hosts.a_file, "file", hosts.ENDLESS), "500 bytes in a second": virtual(hosts.crawling)},
        came=DOWNLOAD,
        within=600,
    ),
    Row(
        rule=10,
        done="64 MB of zeros packed to some KB",
        must_be="refused; saved again later",
        cases=each(hosts.a_file, "file", hosts.BOMBS),
        came=DOWNLOAD,
        says="20 times",
        within=60,
    ),
    Row(
        rule=11,
        done="redirects to a signed address, expired addresses, 404 at first, videos listed late",
        must_be="saved in one call",
        cases={**each(hosts.a_file, "file", hosts.ADDRESSES), "videos later": virtual(hosts.no_videos_yet)},
        within=120,
    ),
    Row(
        rule=11,
        done="403 for ever, circles, addresses that cannot be fetched",
        must_be="reported at once; saved again later",
        cases={
            **each(hosts.a_file, "file", hosts.REFUSING),
            **each(
                hosts.another_scheme,
                "url",
                {
                    url: url
                    for url in ("ftp://h/x", "file:///etc/passwd", "data:video/mp4;base64,AAAA", "x.mp4", "http:")
                },
            ),
        },
        came=DOWNLOAD,
        within=60,
    ),
    Row(
        rule=12,
        done=f"{len(hosts.TARGETS)} places where no file can be made (/proc, read-only, full disk, link, directory)",
        must_be="`TargetError` before anything is sent",
        cases={name: virtual(_target(name)) for name in hosts.TARGETS},
        paid=0,
        saved=0,
        came="`TargetError`; 0 requests",
        within=5,
    ),
)

SURROUNDINGS: Final = (
    Row(
        rule=13,
        done="`HTTP_PROXY` with a user, a name that only the proxy can resolve",
        must_be="all goes through it: 1 paid, saved",
        cases=one(around.through_a_proxy),
        came="saved, 0 requests beside the proxy",
    ),
    Row(
        rule=13,
        done="the same from a shell, the proxy a process of its own (real seconds)",
        must_be="1 paid, saved",
        cases={"it": around.through_a_proxy_process},
        came="saved, a proxy process in between",
    ),
    Row(
        rule=13,
        done="a dead proxy, and the service on this machine",
        must_be="no proxy for loopback: 1 paid, saved",
        cases=one(around.loopback),
    ),
    Row(
        rule=13,
        done="a proxy that refuses a tunnel (407, 403, 502), breaks it off, or requires a password",
        must_be="nothing sent, no doubt",
        cases={
            **each(
                around.no_proxy,
                "status",
                {"407": 407, "403": 403, "502": 502, "breaks off": 0},
                base_url=around.TLS,
            ),
            "407 to http:": virtual(partial(around.no_proxy, status=407, base_url=around.API)),
        },
        paid=0,
        saved=0,
        came="`ConnectionFailed`",
        within=305,
    ),
    Row(
        rule=13,
        done="a `.netrc` with passwords for all hosts, a session of the caller that reads it",
        must_be="they are not sent: 1 paid, saved",
        cases=one(around.netrc),
        came="saved, 0 requests with them",
    ),
    Row(
        rule=13,
        done="a key in quotes or with blanks (4 ways)",
        must_be="cleaned: 1 paid, saved",
        cases=each(
            around.mended_key,
            "key",
            {repr(key): key for key in (" the-key", '"the-key"', "'the-key'\n", "the-key\r\n")},
        ),
        came="saved, 0 requests with another key",
    ),
    Row(
        rule=13,
        done="no file left for a picture, three times (EMFILE, ENFILE, ENOMEM)",
        must_be="passing: 1 paid, saved",
        cases={
            f"{module} {number}": virtual(
                partial(around.short_of_files, call=f"kling_async.io.{module}.opened", number=number)
            )
            for module in ("request_checks", "upload")
            for number in around.SHORTAGES
        },
    ),
    Row(
        rule=14,
        done=f"{len(around.PICTURES)} pictures in odd files, {len(around.CODINGS)} codings of base64",
        must_be="sent byte by byte: 1 paid, saved",
        cases={
            **each(around.odd_picture, "data", around.PICTURES),
            **each(around.odd_picture, "coding", around.CODINGS, data=around.PICTURES["a ZIP behind IEND"]),
        },
        came="saved, every byte sent",
    ),
    Row(
        rule=14,
        done="pictures that the service would refuse (cut off, too flat, too small, WebP)",
        must_be="refused here, 0 paid",
        cases=each(around.bad_picture, "data", around.BAD),
        paid=0,
        saved=0,
        came="`InvalidRequest`; 0 requests",
    ),
    Row(
        rule=15,
        done="`generate` twice",
        must_be="the second run costs nothing, and gives the reason",
        cases=one(around.second_run),
        came="saved; again: `TargetExists`, 0 requests",
        says="exists; overwrite=True replaces it",
    ),
    Row(
        rule=16,
        done='`if_exists="adopt"` with all slots taken, the task done or running (600 s)',
        must_be="nothing sent, no slot: 0 more paid, saved",
        cases=each(around.adopted, "running", {"done": False, "running": True}),
        paid=0,
        came="saved, 0 creates sent",
    ),
)


def _before(text: str) -> Callable[[Path], object]:
    return lambda directory: (directory / text).write_text("precious")


SHELL: Final = (
    Row(
        rule=17,
        done="the command with a picture, a place or a value that the checks refuse (real seconds)",
        must_be="no message about submitting, no reference, 0 paid",
        cases={
            "no picture": around.command("none.png", "-o", "new.mp4"),
            "a file is there": around.command(CAT, "-o", "old.mp4", prepare=_before("old.mp4")),
            "no directory": around.command(CAT, "-o", "none/new.mp4"),
            "a value": around.command(CAT, "-o", "new.mp4", "--cfg-scale", "3"),
        },
        paid=0,
        saved=0,
        came="exit 2, neither word",
    ),
    Row(
        rule=17,
        done="the command with valid input (real seconds)",
        must_be="its reference on the screen before the service has it",
        cases={"it": around.command(CAT, "-o", "new.mp4")},
        came="exit 0, its reference before it is submitted",
    ),
    Row(
        rule=18,
        done=f"{len(around.SITES)} requests of other sites, hosts and forms to the emulator's switches",
        must_be="refused, nothing changed",
        cases=each(around.from_elsewhere, "headers", around.SITES),
        paid=0,
        saved=0,
        came="refused, nothing changed",
    ),
    Row(
        rule=18,
        done="creates with a member nested 10, 900 and 100,000 deep (the emulator takes the first)",
        must_be="the books stay readable",
        cases=each(around.deep, "depth", {str(depth): depth for depth in (10, 900, 100_000)}),
        paid=None,
        saved=0,
        came=r"books readable \(HTTP 200\)",
    ),
    Row(
        rule=19,
        done="`doctor` with one thing wrong: key, address, port, name, proxy, place (real seconds)",
        must_be="exit 7, the check is named; 0 paid",
        cases={
            "no key": around.doctor("credentials", KLING_ACCESS_KEY=None, KLING_SECRET_KEY=None),
            "a wrong key": around.doctor("call", KLING_API_KEY="api-key-kling-" + "0" * 30),
            "no address": around.doctor("address", "--base-url", "api-singapore.klingai.com"),
            "a closed port": around.doctor("connection", "--base-url", f"http://127.0.0.1:{around.closed_port()}"),
            "an unknown name": around.doctor("dns", "--base-url", "https://no-such-host.invalid"),
            "a dead proxy": around.doctor(
                "proxy",
                "--base-url",
                "https://no-such-host.invalid",
                HTTPS_PROXY=f"http://127.0.0.1:{around.closed_port()}",
            ),
            "no place": around.doctor("place", "--out", "/proc"),
        },
        paid=0,
        saved=0,
        came="exit 7, what is wrong is named",
    ),
    Row(
        rule=19,
        done="`doctor` where all is well (real seconds)",
        must_be="exit 0, 0 paid",
        cases={"it": around.doctor("")},
        paid=0,
        saved=0,
        came="exit 0, nothing to mend",
    ),
)

RULES: Final = (*EVIDENCE, *SENDS, *MEMBERS, *FILES, *SURROUNDINGS, *SHELL)
