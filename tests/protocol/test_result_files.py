"""Which files a task's results are, and what each is called."""

import itertools
from typing import Any

import pytest

from kling_async.protocol.media.picture import Picture
from kling_async.protocol.result_files import files_for, files_of
from kling_async.protocol.result_kind import ResultKind
from kling_async.protocol.results import Audio, Element, Video, Voice
from kling_async.protocol.tasks import Task, TaskStatus
from kling_async.protocol.wire.codec import task_from_wire

from .recorded_bodies import OTHERS

TWO = (
    Picture(index=0, url="https://h/a.png", watermark_url="https://h/w.png"),
    Picture(index=0, url="https://h/b.png"),
)
SOUND = Audio(id="5", url="https://h/a.mp3", url_wav="https://h/a.wav")


def task(**results: Any) -> Task:
    """A finished task."""
    return Task(endpoint="image2video", task_id="8", status=TaskStatus.SUCCEED, **results)


def names(one: Task, *, watermark: bool = False) -> list[str]:
    """What its files are called."""
    return [file.name(one.task_id, watermark=watermark) for file in files_of(one)]


@pytest.mark.parametrize(
    ("kind", "address", "name"),
    [
        (ResultKind.VIDEO, "", "8.mp4"),
        (ResultKind.VIDEO, "https://h/a.mov", "8.mp4"),
        (ResultKind.IMAGE, "", "8.png"),
        (ResultKind.IMAGE, "https://h/a.PNG?sign=.jpg", "8.png"),
        (ResultKind.IMAGE, "https://h/a.jpg?sign=1", "8.jpg"),
        (ResultKind.IMAGE, "https://h/a.jpeg", "8.jpeg"),
        (ResultKind.IMAGE, "https://h/a.webp", "8.webp"),
        (ResultKind.IMAGE, "https://h/a.exe", "8.png"),
        (ResultKind.IMAGE, "https://[h/a.jpg", "8.png"),
        (ResultKind.AUDIO, "", "8.mp3"),
        (ResultKind.AUDIO, "https://h/a.wav", "8.wav"),
        (ResultKind.ANY, "https://h/a.wav", "8"),
    ],
)
def test_a_name_ends_as_its_kind_does(kind: ResultKind, address: str, name: str) -> None:
    """Each kind has a suffix; an address may name another of the same kind."""
    assert kind.file_name("8", 0, address, watermark=False) == name


def test_no_two_kinds_share_a_name() -> None:
    """Files of one task, each counted within its kind, never meet."""
    addresses = [f"https://h/a{suffix}" for suffix in (".mp4", ".png", ".jpg", ".webp", ".mp3", ".wav", ".m4a")]
    kinds = (ResultKind.VIDEO, ResultKind.IMAGE, ResultKind.AUDIO)
    for one, other in itertools.combinations(kinds, 2):
        assert not {one.suffix_at(each) for each in addresses} & {other.suffix_at(each) for each in addresses}


def test_names_have_numbers_and_the_mark() -> None:
    """From the second file on, a name has a number; that of the watermarked variant contains `watermark`."""
    assert names(task(images=TWO)) == ["8.png", "8-2.png"]
    assert names(task(images=TWO), watermark=True) == ["8-watermark.png", "8-watermark-2.png"]


@pytest.mark.parametrize("task_id", ["../a", "a/b", "a\\b", "a:b", "a b", "\n"])
def test_a_task_id_names_no_other_place(task_id: str) -> None:
    """What is no letter or digit of an id is replaced."""
    name = ResultKind.IMAGE.file_name(task_id, watermark=False)
    assert not {*name} & {*"/\\: \n"}
    assert name.endswith(".png")


def test_each_kind_is_counted_for_itself() -> None:
    """A dubbed video and its sound differ by their suffix."""
    one = task(videos=(Video(id="7", url="https://h/a.mp4"),), audios=(SOUND,))
    assert names(one) == ["8.mp4", "8.mp3", "8.wav"]
    assert [file.label for file in files_of(one)] == ["7", "audio/5", "audio/5/wav"]


def test_sound_that_comes_twice_has_two_names() -> None:
    """Whatever its addresses end in: both can lie in one directory."""
    sound = Audio(id="5", url="https://h/a?mp3", url_wav="https://h/b.mp3")
    assert names(task(audios=(sound, sound))) == ["8.mp3", "8.wav", "8-2.mp3", "8-2.wav"]


@pytest.mark.parametrize(
    ("suffix", "label"), [(".mp4", "7"), ("", "7"), (".png", "7"), (".mp3", "audio/5"), (".wav", "audio/5/wav")]
)
def test_the_name_of_a_file_says_what_is_meant(suffix: str, label: str) -> None:
    """Of a video with its sound, a name of sound gets the sound; any other name gets the video."""
    one = task(videos=(Video(id="7", url="https://h/a.mp4"),), audios=(SOUND,))
    assert [file.label for file in files_for(one, suffix)] == [label]


def test_a_name_stands_for_all_files_of_a_kind() -> None:
    """Of two sounds each comes once, in the form of the name."""
    two = (SOUND, Audio(id="6", url="https://h/c.mp3"))
    assert [file.label for file in files_for(task(audios=two), ".wav")] == ["audio/5/wav", "audio/6"]
    assert files_for(task(), ".wav") == ()


@pytest.mark.parametrize(
    ("like", "audio", "name", "label"),
    [
        ("", SOUND, "8.mp3", "audio/5"),
        (".mp3", SOUND, "8.mp3", "audio/5"),
        (".WAV", SOUND, "8.wav", "audio/5/wav"),
        ("", Audio(id="", url="", url_wav="https://h/a.wav"), "8.wav", "audio/1/wav"),
        (".wav", Audio(id="", url="https://h/a.mp3"), "8.mp3", "audio/1"),
    ],
)
def test_sound_comes_as_it_is_wanted(like: str, audio: Audio, name: str, label: str) -> None:
    """A name that ends in `.wav` gets the WAV where there is one; otherwise it is whatever there is."""
    [file] = files_for(task(audios=(audio,)), like)
    assert (file.name("8", watermark=False), file.label) == (name, label)


def test_labels_name_a_file_for_ever() -> None:
    """A video is known by its id, a picture by its place: so a part is gone on with whatever the address is then."""
    one = task(videos=(Video(id="", url="u"), Video(id="7", url="u")), images=TWO)
    assert [file.label for file in files_of(one)] == ["1", "7", "image/1", "image/2"]


def test_voices_and_elements_are_no_files() -> None:
    """A voice's sample is not what was paid for."""
    raw = {"voices": [{"voice_id": "1", "trial_url": "https://h/a.wav"}]}
    assert files_of(task(voices=(Voice(voice_id="1"),), raw=raw)) == ()
    assert files_of(task(elements=(Element(element_id=1),), raw={"elements": [{"url": "u"}]})) == ()
    assert not ResultKind.VOICE.is_file
    assert not ResultKind.ELEMENT.is_file


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (None, []),
        (5, []),
        ({}, []),
        ({"url": "u", "watermark_url": "w"}, [("file/1", "u", "w")]),
        ({"more": {"url": "u"}}, []),
        ({"models": [{"name": "x"}, 5, {"url": 5}, {"url": ""}]}, []),
        ({"models": [{"id": 3, "url": "u", "watermark_url": "w"}]}, [("file/3", "u", "w")]),
        ({"a": [{"url_glb": "g", "usdz_url": "z"}], "b": 5}, [("file/1", "g", None), ("file/2", "z", None)]),
        ([{"id": "7", "url": "u"}, {"id": "7", "url_2": "v"}], [("file/7", "u", None), ("file/7/url_2", "v", None)]),
    ],
)
def test_results_of_an_unknown_kind_are_files_if_they_have_an_address(raw: Any, found: list[Any]) -> None:
    """Whatever the service will make one day can be saved."""
    files = files_of(task(raw=raw))
    assert [(file.label, file.url, file.watermark_url) for file in files] == found
    assert {file.kind for file in files} <= {ResultKind.ANY}


def test_recorded_results_of_an_unknown_kind() -> None:
    """Outputs of types that are not known are files."""
    one = task_from_wire(OTHERS["new_outputs_unknown_type"]["body"]["data"][0], "image2video")
    assert [(file.label, file.url[-5:]) for file in files_of(one)] == [("file/1", "n.mp4"), ("file/2", "n.srt")]
    assert names(one) == ["930831534075780000", "930831534075780000-2"]
