import io
import wave
from pathlib import Path

import av
import pytest

from kling_async.emulator.results.sounds import SoundResult

from .test_pictures import made, rendered


def measure(content: bytes) -> tuple[float, int]:
    """Returns the length of a sound in seconds, decoded to its end, and the loudest of its samples."""
    with av.open(io.BytesIO(content), "r") as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    samples = b"".join(bytes(piece.planes[0])[: 2 * piece.samples] for piece in pieces)
    return len(samples) / 96_000, max(abs(each) for each in memoryview(samples).cast("h"))


def test_a_wav_holds_a_melody_of_its_text() -> None:
    """The standard library reads the file, it has the requested length, and another text sounds different."""
    content, other = (made(SoundResult(text=text, milliseconds=3300), "wav") for text in ("rain", "wind"))

    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
        assert file.getnframes() == 3.3 * 48_000
        samples = file.readframes(48_000)
    assert samples != other[44 : 44 + len(samples)]
    seconds, loudest = measure(content)
    assert (seconds, loudest > 2500) == (3.3, True)


@pytest.mark.parametrize("milliseconds", [3000, 5000, 5024, 9999, 61_300])
def test_both_mp3_are_as_long_as_in_the_answer(milliseconds: int, tmp_path: Path) -> None:
    """Encoded or silent, an MP3 has the length in the answer, a little longer than the requested one."""
    result = SoundResult(text="rain", milliseconds=milliseconds)
    audio = result.task_result("7", str)["audios"][0]
    silent, sounding = made(result, "mp3"), rendered(result, "mp3", tmp_path)

    assert [measure(each)[0] for each in (silent, sounding)] == [
        pytest.approx(float(audio["duration_mp3"]), abs=1e-6)
    ] * 2
    assert (measure(silent)[1], measure(sounding)[1] > 1000) == (0, True)
    assert float(audio["duration_wav"]) == milliseconds / 1000
    assert 0.02 < float(audio["duration_mp3"]) - milliseconds / 1000 < 0.05


def test_files_of_sound_differ_by_their_task() -> None:
    """Two tasks have different files, even if they sound the same."""
    result = SoundResult(text="rain", milliseconds=3000)

    assert len({made(result, name, label) for name in result.files for label in ("1", "2")}) == 4
