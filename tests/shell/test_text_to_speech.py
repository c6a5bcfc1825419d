"""Speech and the account's packs, against the emulator over real sockets."""

import pickle
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import av
import pytest

from kling_async import CallInDoubt, DownloadError, KlingClient, RequestRefused, TargetExists, TextToSpeech, estimate
from kling_async.emulator import Emulator, Fault
from tests.shell.conftest import ClientMaker

HELLO = TextToSpeech("Hello, this is a test of the voice.", voice_id="calm_story1", voice_language="en")


def seconds_of(path: Path) -> float:
    """The duration of a sound, decoded to its end."""
    with av.open(str(path)) as file:
        frames = [frame for frame in file.decode(audio=0) if frame.samples]
    return sum(frame.samples for frame in frames) / frames[0].sample_rate


async def test_a_text_is_spoken(client: KlingClient, emulator: Emulator, tmp_path: Path) -> None:
    """One call returns the sound, which has the stated duration and the estimated price."""
    speech = await client.text_to_speech(HELLO.text, voice_id="calm_story1", voice_language="en")
    [audio] = speech.audios
    path = await audio.save(tmp_path / "hello.mp3")
    assert audio.duration is not None
    assert seconds_of(path) == pytest.approx(float(audio.duration), abs=0.1)
    assert speech.final_unit_deduction == estimate(HELLO).units == Decimal("0.05")
    assert (emulator.ledger.charged, emulator.ledger.created) == (0.05, 0)
    with pytest.raises(TargetExists):
        await audio.save(path)
    assert await audio.save(tmp_path) == tmp_path / f"{audio.id}.mp3"
    assert await audio.save(path, overwrite=True) == path


async def test_speech_that_was_pickled(client: KlingClient, tmp_path: Path) -> None:
    """A pickled sound has its URL, which another process fetches."""
    speech = pickle.loads(pickle.dumps(await client.submit(HELLO)))  # noqa: S301  (just made)
    with pytest.raises(DownloadError, match="no client any more"):
        await speech.audios[0].save(tmp_path / "hello.mp3")


async def test_a_voice_that_is_not_there(client: KlingClient, emulator: Emulator) -> None:
    """An unknown voice is refused by the service, and not charged."""
    with pytest.raises(RequestRefused, match="Voice id not found"):
        await client.text_to_speech("Hello", voice_id="nobody", voice_language="en")
    assert emulator.ledger.charged == 0


async def test_the_answer_is_lost_after_the_effect(client: KlingClient, emulator: Emulator) -> None:
    """A charged call with a lost response is not repeated, and the error names what may have been paid."""
    emulator.faults.add(Fault.reset(after_effect=True), on="call", at=1)
    with pytest.raises(CallInDoubt, match=r"0\.05 units"):
        await client.submit(HELLO)
    assert (emulator.ledger.requests["call"], emulator.ledger.charged) == (1, 0.05)


async def test_an_address_that_expired(make_client: ClientMaker, tmp_path: Path) -> None:
    """The URL of a call cannot be renewed: the error says so, and names no task."""
    clock = [1_790_000_000.0]
    async with Emulator(render=False, clock=lambda: clock[0]) as emulator:
        client = make_client(base_url=emulator.base_url, api_key=emulator.api_key, clock=lambda: clock[0])
        [audio] = (await client.submit(HELLO)).audios
        clock[0] += 40 * 86400
        with pytest.raises(DownloadError) as caught:
            await audio.save(tmp_path / "hello.mp3")
    assert caught.value.reference is None


async def test_the_packs_of_the_account(client: KlingClient, emulator: Emulator) -> None:
    """The rest of a pack is reported before and after a payment."""
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)

    async def left() -> dict[str, Decimal | None]:
        packs = await client.account_costs(begin, end_time=end)
        return {pack.resource_pack_name: pack.remaining_quantity for pack in packs}

    before = await left()
    await client.submit(HELLO)
    after = await left()
    name = next(name for name in before if "Video" in name)
    given, kept = before[name], after[name]
    assert given is not None
    assert kept == given - Decimal("0.05")
    assert {key for key in before if before[key] != after[key]} == {name}
    assert await client.account_costs(begin, end_time=end, resource_pack_name="no such pack") == ()
    assert emulator.ledger.created == 0
