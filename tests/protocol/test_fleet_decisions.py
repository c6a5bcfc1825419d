"""Decisions of a fleet: states of jobs, learned limits, names and paths."""

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_async.io import target
from kling_async.protocol.concurrency_limit import EMPTY_MAXIMUM, PROBE_FIRST, PROBE_MAXIMUM
from kling_async.protocol.errors import ConfigurationError
from kling_async.protocol.fleet import save_place
from kling_async.protocol.fleet.job_state import JobState, state_of
from kling_async.protocol.fleet.learned_limit import LearnedLimit
from kling_async.protocol.fleet.names import api_key_variable, entrypoint_of, save_entrypoint, storable
from kling_async.protocol.names import checked_name

ANY = st.characters(exclude_categories=())
"""Half letters, too."""


def middle() -> float:
    """A random number in the middle."""
    return 0.5


# ------------------------------------------------------------------------------------------------------ states


@pytest.mark.parametrize(
    ("has", "state"),
    [
        ({"begun": False}, JobState.QUEUED),
        ({"begun": False, "entry": "refused"}, JobState.QUEUED),
        ({"begun": True}, JobState.SENDING),
        ({"begun": True, "entry": "refused"}, JobState.SENDING),
        ({"begun": True, "entry": "intent"}, JobState.SENDING),
        ({"begun": True, "entry": "intent", "doubtful": True}, JobState.IN_DOUBT),
        ({"begun": True, "entry": "accepted"}, JobState.GENERATING),
        ({"begun": True, "entry": "ended"}, JobState.SAVING),
        ({"begun": True, "entry": "ended", "failed": True}, JobState.FAILED),
        ({"begun": True, "entry": "saved"}, JobState.SAVED),
        ({"begun": True, "entry": "saved", "is_file": False}, JobState.DONE),
        ({"begun": True, "entry": "lost"}, JobState.LOST),
    ],
)
def test_states(has: dict[str, Any], state: JobState) -> None:
    """The state of a job follows from its row and the journal; a stored outcome takes precedence."""
    known = {"is_file": True, **has}
    assert state_of(None, **known) is state
    assert all(state_of(outcome.value, **known) is outcome for outcome in JobState)


def test_states_in_progress_are_not_final() -> None:
    """A state from which a job continues without intervention is not final."""
    assert {state for state in JobState if not state.is_final} == {
        JobState.QUEUED,
        JobState.SENDING,
        JobState.GENERATING,
        JobState.SAVING,
    }


# ------------------------------------------------------------------------------------------------------ limits


def test_a_limit_is_what_was_declared_until_it_is_refused() -> None:
    """Without a refusal all declared slots are available at once."""
    assert LearnedLimit().seats(20, 0.0) == 20
    assert LearnedLimit().accepted(20, 0.0).seats(20, 0.0) == 20


def test_a_storm_of_refusals_teaches_the_account_limit() -> None:
    """With 20 creates on an account of 5, fifteen refusals leave a limit of 5, and the first probe is in time."""
    learned = LearnedLimit()
    for others in range(19, 4, -1):
        learned = learned.refused(others, 100.0, middle)
    assert learned.seats(20, 100.0) == 5
    assert learned.probe_gap == PROBE_FIRST
    assert learned.probe_at == 100.0 + PROBE_FIRST
    assert learned.seats(20, learned.probe_at) == 6


def test_probes_that_are_refused_come_ever_later() -> None:
    """Each refused probe triples the delay, up to its maximum; an accepted probe raises the limit."""
    learned = LearnedLimit().refused(5, 0.0, middle)
    gaps = []
    for _ in range(5):
        learned = learned.refused(5, learned.probe_at, middle)
        gaps.append(learned.probe_gap)
    assert gaps == [36.0, 108.0, 300.0, 300.0, PROBE_MAXIMUM]
    raised = learned.accepted(6, learned.probe_at)
    assert (raised.refused_above, raised.probe_gap, raised.probe_at) == (6, PROBE_FIRST, learned.probe_at + PROBE_FIRST)


def test_refusals_with_nothing_running_make_a_pause() -> None:
    """Where others use the whole account, sends pause for growing times; a success ends the pause."""
    learned, now, pauses = LearnedLimit(), 0.0, []
    for _ in range(6):
        learned = learned.refused(0, now, middle)
        pauses.append(learned.not_before - now)
        assert learned.seats(20, now) == 0
        now = learned.not_before
        assert learned.seats(20, now) >= 1
    assert pauses == [1.0, 2.0, 4.0, 8.0, 8.0, EMPTY_MAXIMUM]
    assert learned.accepted(1, now).refused(0, now, middle).not_before == now + 1.0


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.floats(0, 400)), max_size=30),
)
def test_a_learned_limit_stays_within_its_bounds(declared: int, happened: list[tuple[bool, int, float]]) -> None:
    """Slots are from 0 to the declared number, and eventually one is available again."""
    learned, now = LearnedLimit(), 0.0
    for accepted, running, seconds in happened:
        now += seconds
        learned = learned.accepted(running + 1, now) if accepted else learned.refused(running, now, middle)
        assert 0 <= learned.seats(declared, now) <= declared
        assert learned.seats(declared, now + EMPTY_MAXIMUM * 1.5) >= 1


# ------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["", "A", "1a", "a-b", "a b", "a" * 42, "ä", "a\n", None, 3])
def test_invalid_names(name: object) -> None:
    """Queue names become names of schemas and variables: only small letters, digits and _ are valid."""
    with pytest.raises(ConfigurationError, match="queue must be a name"):
        checked_name("queue", name)


def test_variables_of_credentials() -> None:
    """The variable of the default key is KLING_API_KEY; others have their name as suffix."""
    assert api_key_variable("default") == "KLING_API_KEY"
    assert api_key_variable("second_account") == "KLING_API_KEY_SECOND_ACCOUNT"


@given(st.text(max_size=300), st.text(max_size=300))
def test_entrypoints_of_lines_differ(one: str, other: str) -> None:
    """Entrypoints of lines are unique, differ from that of saves, and fit into an index."""
    names = {line: entrypoint_of("q", line) for line in (one, other, "save", "kling-v2-6", "x" * 10_000)}
    assert len({*names.values()}) == len(names)
    assert save_entrypoint("q") not in names.values()
    assert all(len(name) < 200 and name.isprintable() and name.isascii() for name in names.values())


def test_a_plain_line_is_readable() -> None:
    """The entrypoint of a line contains the name of its model."""
    assert entrypoint_of("default", "kling-v2-6") == "default/kling-v2-6"
    assert entrypoint_of("default", "kling-v2 (image)") == "default/kling-v2 (image)"


@given(st.text(ANY, max_size=50))
def test_any_text_can_be_stored(text: str) -> None:
    """Text from other code is stored without characters that a database refuses."""
    kept = storable(text)
    assert "\0" not in kept
    kept.encode()


# ------------------------------------------------------------------------------------------------------ places


@pytest.mark.parametrize("template", ["{key}", "{date}/{key}.mp4", "a b/{task_id}/", "x.mp4", "{key}{{x}}", "..a/b"])
def test_templates(template: str) -> None:
    """A template below the worker's directory is valid."""
    assert [*save_place.problems_of(template)] == []


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "1 to 1000 letters"),
        ("x" * 1001, "1 to 1000 letters"),
        ("a\0b", "letters that can be shown"),
        ("a\nb", "letters that can be shown"),
        ("\ud800", "letters that can be shown"),
        ("/abs/{key}", "below the worker's --out"),
        ("../{key}", "below the worker's --out"),
        ("a/../../{key}", "below the worker's --out"),
        ("a\\..\\{key}", "below the worker's --out"),
        ("\\\\server\\{key}", "below the worker's --out"),
        ("C:{key}", "below the worker's --out"),
        ("{name}", "may hold {key}, {task_id}, {date} and no other"),
        ("{}", "may hold {key}, {task_id}, {date} and no other"),
        ("{key.__class__}", "may hold {key}, {task_id}, {date} and no other"),
        ("{key!r}", "may hold {key}, {task_id}, {date} and no other"),
        ("{date:%Y}", "may hold {key}, {task_id}, {date} and no other"),
        ("{key", "a brace without another"),
        (b"x", "must be text"),
        (3, "must be text"),
    ],
)
def test_templates_that_are_refused(template: object, message: str) -> None:
    """A template outside of the directory, or with an unknown field, is refused with the valid ones."""
    (problem,) = save_place.problems_of(template)
    assert problem.field == "save_to"
    assert message in problem.message


@pytest.mark.parametrize(
    ("template", "fits"),
    [
        ("x" * 255 + "/{key}", True),
        ("x" * 256 + "/{key}", False),
        ("ä" * 128 + "/", False),
        ("x" * 238 + "{key}", True),
        ("x" * 239 + "{key}", False),
        ("{key}/" + "{key}" * 80, True),
        ("{key}/" + "{key}" * 81, False),
        ("a/" * 300 + "{task_id}", True),
    ],
)
def test_names_that_are_too_long(template: str, *, fits: bool) -> None:
    """Names are limited in bytes, with the key filled in; a file's name has room for a suffix."""
    assert [each.field for each in save_place.too_long(template, "cat")] == ([] if fits else ["save_to"])


def test_names_have_room_for_the_suffix_of_a_save() -> None:
    """A template is refused exactly if a save would refuse its name."""
    room = target.NAME_BYTES - len(target.NOTE + target.DRAFT)
    assert not [*save_place.too_long("x" * room, "cat")]
    assert [*save_place.too_long("x" * (room + 1), "cat")]


def test_a_path() -> None:
    """A path is filled with the job's fields and the day of its submission."""
    day = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert save_place.place_of("{date}/{key}-{task_id}.mp4", key="cat", task_id="8", day=day) == "2026-11-30/cat-8.mp4"


@given(st.text(ANY, max_size=200))
def test_a_path_stays_in_the_directory(task_id: str) -> None:
    """A file stays in the directory, whatever the task's id."""
    place = save_place.place_of("a/{task_id}", key="k", task_id=task_id, day=datetime(2026, 1, 1, tzinfo=UTC))
    assert PurePosixPath(place).parent == PurePosixPath("a")
    assert "\\" not in place
    assert ".." not in place
