"""The journal's decisions, as tables."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kling_async import Difference, Estimate, ImageToVideo, TaskStatus
from kling_async.journal.contents import differences, known_members
from kling_async.journal.decisions import Conflict, Decision, Left, Open, OwnerState, Use, for_key, for_left
from kling_async.journal.entry import Entry, EntryState
from kling_async.journal.files import file_system
from kling_async.journal.names import external_task_id, file_name
from kling_async.journal.store import Work

NOW = datetime(2026, 11, 30, tzinfo=UTC)
PRICE = Estimate(units=None, usd=None)
OTHER = (Difference("prompt", "'a'", "'b'"),)


def entry(state: EntryState = EntryState.ACCEPTED, **values: Any) -> Entry:
    """Returns an entry with a task, with changes."""
    given: dict[str, Any] = {
        "task_id": None if state is EntryState.INTENT else "1",
        "external_task_id": "ka-1",
        "intended_at": NOW,
    }
    given |= {"request": {"prompt": "a"}, "endpoint": "text2video", "key": "k", "attempt": 1, "estimate": PRICE}
    return Entry(id=7, state=state, **{**given, **values})


FAILED = entry(EntryState.ENDED, status=TaskStatus.FAILED)
KEYS: list[tuple[Entry | None, OwnerState, bool, tuple[Difference, ...], Decision]] = [
    (None, OwnerState.GONE, False, (), Open()),
    (entry(EntryState.REFUSED, task_id=None), OwnerState.GONE, False, (), Open(1, 7)),
    (entry(EntryState.REFUSED, task_id=None, attempt=3), OwnerState.GONE, False, OTHER, Open(3, 7)),
    (entry(EntryState.INTENT), OwnerState.LIVING, False, (), Use.WAIT),
    (entry(EntryState.INTENT), OwnerState.GONE, False, (), Use.SETTLE),
    (entry(EntryState.INTENT), OwnerState.OURS, False, (), Use.SETTLE),
    (entry(EntryState.INTENT), OwnerState.LIVING, False, OTHER, Conflict(OTHER)),
    (entry(), OwnerState.LIVING, False, (), Use.FOLLOW),
    (entry(), OwnerState.OURS, False, OTHER, Conflict(OTHER)),
    (entry(), OwnerState.OURS, True, (), Use.QUERY),
    (entry(EntryState.SAVED), OwnerState.GONE, True, (), Use.FOLLOW),
    (FAILED, OwnerState.GONE, False, (), Use.FOLLOW),
    (FAILED, OwnerState.GONE, True, (), Open(2)),
    (FAILED, OwnerState.GONE, True, OTHER, Conflict(OTHER)),
    (entry(EntryState.LOST, task_id=None), OwnerState.GONE, True, (), Use.DOUBT),
    (entry(EntryState.LOST), OwnerState.GONE, False, (), Use.FOLLOW),
]


@pytest.mark.parametrize(("last", "owner", "again", "different", "decision"), KEYS)
def test_what_becomes_of_a_key(
    last: Entry | None,
    owner: OwnerState,
    *,
    again: bool,
    different: tuple[Difference, ...],
    decision: Decision,
) -> None:
    """An attempt is begun only if nothing is paid under the key, or its task has failed and another is requested."""
    assert for_key(last, owner, different, again_if_failed=again) == decision


@pytest.mark.parametrize(
    ("left", "age", "decision"),
    [
        (entry(), 29, Left.FOLLOW),
        (entry(), 31, Left.EXPIRED),
        (entry(EntryState.INTENT), 29, Left.SETTLE),
        (entry(EntryState.INTENT), 31, Left.EXPIRED),
        (entry(EntryState.INTENT, external_task_id=None), 0, Left.UNKNOWABLE),
        (entry(external_task_id=None), 0, Left.FOLLOW),
    ],
)
def test_what_becomes_of_what_was_left(left: Entry, age: int, decision: Left) -> None:
    """Tasks the service still has are followed, what may have been sent is looked up, the rest is lost."""
    assert for_left(left, NOW + timedelta(days=age)) is decision


FILE = {"kling_async.file": {"sha256": "x", "path": "/a/cat.png", "kind": "Image"}}
MOVED = {"kling_async.file": {"sha256": "x", "path": "/b/cat.png", "kind": "Image"}}
OTHER_FILE = {"kling_async.file": {"sha256": "y", "path": "/a/cat.png", "kind": "Image"}}
BOTH = frozenset({"prompt", "image", "callback_url", "seed"})


@pytest.mark.parametrize(
    ("journal", "given", "known_now", "differing"),
    [
        ({"prompt": "a"}, {"prompt": "a"}, BOTH, []),
        ({"prompt": "a"}, {"prompt": "b"}, BOTH, ["prompt"]),
        ({"prompt": "a"}, {"prompt": "a", "seed": 1}, BOTH, ["seed"]),
        ({"image": FILE}, {"image": MOVED}, BOTH, []),
        ({"image": FILE}, {"image": OTHER_FILE}, BOTH, ["image"]),
        ({"callback_url": "https://a"}, {"callback_url": "https://b"}, BOTH, []),
        ({"prompt": "a"}, {"prompt": "a", "new": 1}, BOTH | {"new"}, []),
        ({"prompt": "a", "seed": 1}, {"prompt": "a"}, BOTH - {"seed"}, []),
    ],
)
def test_what_differs(
    journal: dict[str, Any], given: dict[str, Any], known_now: frozenset[str], differing: list[str]
) -> None:
    """Only members known to both versions are compared, files by digest, without ids and callback addresses."""
    work = Work(
        key="k",
        endpoint="text2video",
        external_task_id=None,
        request=given,
        known=known_now,
        line="",
        slots=1,
        save_to=None,
        estimate=PRICE,
    )
    assert [each.member for each in differences(entry(request=journal, known=BOTH), work)] == differing


def test_the_endpoint_differs() -> None:
    """Another endpoint is another request, even with equal members."""
    work = Work(
        key="k",
        endpoint="image2video",
        external_task_id=None,
        request={},
        known=None,
        line="",
        slots=1,
        save_to=None,
        estimate=PRICE,
    )
    assert differences(entry(), work) == (Difference("endpoint", "text2video", "image2video"),)


def test_the_members_that_are_known() -> None:
    """The known members of a record are those that are sent, by their wire names."""
    assert {"image", "prompt", "external_task_id"} <= known_members(ImageToVideo)


@pytest.mark.parametrize("key", ["a", "ü b/../c", "x" * 1000, "\ud800"])
def test_ids_of_keys(key: str) -> None:
    """An id has only letters, digits and `-`, and differs for each journal, key and attempt."""
    ids = {
        external_task_id(journal, each, attempt)
        for journal in ("a" * 8, "b" * 8)
        for each in (key, key + "!")
        for attempt in (1, 2)
    }
    assert len(ids) == 8
    assert all(re.fullmatch(r"ka-[a-z2-7]{28}-[12]", each) for each in ids)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("clip-1", "clip-1"),
        ("Clip-1", r"Clip-1-[a-z2-7]{10}"),
        ("../../etc/passwd", r"etc_passwd-[a-z2-7]{10}"),
        ("ein Kätzchen", r"ein_K_tzchen-[a-z2-7]{10}"),
        ("con", r"con-[a-z2-7]{10}"),
        ("", r"key-[a-z2-7]{10}"),
        (".hidden", r"hidden-[a-z2-7]{10}"),
        ("-rf", r"rf-[a-z2-7]{10}"),
        ("x" * 1000, r"x{89}-[a-z2-7]{10}"),
        ("a-abcdefghij", r"a-abcdefghij-[a-z2-7]{10}"),
    ],
)
def test_names_of_files(key: str, name: str) -> None:
    """A name is the key if that is safe on all file systems, else its letters and a digest."""
    assert re.fullmatch(name, file_name(key))


MOUNTS = """overlay / overlay rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sda1 /home/local\\040disk ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/tmp", "overlay"), ("/home/me", "nfs4"), ("/homework", "overlay"), ("/home/local disk/x", "ext4")],  # noqa: S108  (no file)
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    """The file system of a path is that of the innermost mount."""
    assert file_system(path, MOUNTS) == kind
