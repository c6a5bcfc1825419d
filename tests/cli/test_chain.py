"""A chain of commands, each of which uses the output of the previous one."""

import json
from pathlib import Path

import pytest

from .conftest import Run


@pytest.mark.usefixtures("hurry", "service")
def test_lip_sync_with_speech_and_sound(run: Run, here: Path) -> None:
    """A video, its faces, speech, lip sync and sound are chained by ids from `--json` and `-q`."""
    video = run("text-to-video", "a cat on a stage", "-o", "cat.mp4", "--json").data["video_ids"][0]
    faces = run("identify-faces", video, "--json").data["value"]
    words = ("--voice-id", "calm_story1", "--voice-language", "en", "-o", "speech.mp3", "--json")
    speech = run("text-to-speech", "good evening to you all, my dear friends, and welcome", *words).data["value"]
    choice = {
        "face_id": faces["face_data"][0]["face_id"],
        "audio_id": speech["audios"][0]["id"],
        "sound_start_time": 0,
        "sound_end_time": 2500,
        "sound_insert_time": 500,
    }
    chosen = json.dumps(choice)
    ran = run("lip-sync", faces["session_id"], "--face-choose", chosen, "-o", "speaks.mp4", "--json")
    assert ran.code == 0, ran.err
    ran = run("video-to-audio", ran.data["video_ids"][0], "--bgm-prompt", "a piano", "-o", "out/", "--json")
    assert ran.code == 0, ran.err
    assert sorted(Path(path).suffix for path in ran.data["paths"]) == [".mp3", ".mp4", ".wav"]
    assert {path.name for path in here.iterdir()} == {"cat.mp4", "speech.mp3", "speaks.mp4", "out"}
