"""Generates a picture, animates it, makes it speak, and adds sound: each step uses the result of the one before.

    python examples/chain.py out/

Prints the price of the steps before anything is paid, as far as prices are known, and their actual cost at the end.
"""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

from kling_async import (
    Call,
    FaceChoice,
    GenerateImages,
    IdentifyFaces,
    ImageToVideo,
    KlingClient,
    KlingError,
    LipSync,
    Request,
    TextToSpeech,
    VideoToAudio,
    estimate,
)

PICTURE = GenerateImages("portrait of a lighthouse keeper, facing the camera", aspect_ratio="1:1")
SPEECH = TextToSpeech(
    "Every night I light the lamp, and wait.", voice_id="uk_man2", voice_language="en", voice_speed=0.9
)


async def main(directory: str) -> None:
    """Makes one speaking portrait."""
    out = Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    steps: list[Request | Call[object]] = [
        PICTURE,
        ImageToVideo("any.png"),
        SPEECH,
        IdentifyFaces(video_id="any"),
        VideoToAudio(video_id="any"),
    ]
    dollars = sum((estimate(step).usd or Decimal(0) for step in steps), Decimal(0))
    print(f"before: about {dollars:.2f} USD, and 0.07 USD for each 5 seconds of lip-sync")
    try:
        async with KlingClient() as kling:
            await make(kling, out)
    except KlingError as error:
        sys.exit(f"{type(error).__name__}: {error}")


async def make(kling: KlingClient, out: Path) -> None:
    """Runs the steps in order; saves each result before the next step is paid for."""
    handle = await kling.submit(PICTURE)
    picture = await handle
    await handle.save(out / "portrait.png", overwrite=True)

    handle = await kling.image_to_video(picture.images[0], prompt="he looks out to sea, then at us")
    moving = await handle
    await handle.save(out / "moving.mp4", overwrite=True)

    speech = await kling.submit(SPEECH)
    await speech.audios[0].save(out / "speech.mp3", overwrite=True)

    faces = await kling.identify_faces(moving.videos[0])
    length = min(int(1000 * (speech.audios[0].duration or 0)), 5000)
    choice = FaceChoice(
        face=faces.face_data[0],
        audio=speech.audios[0],
        sound_start_time=0,
        sound_end_time=length,
        sound_insert_time=0,
    )
    handle = await kling.submit(LipSync(faces, face_choose=[choice]))
    speaking = await handle
    await handle.save(out / "speaking.mp4", overwrite=True)

    handle = await kling.video_to_audio(speaking.videos[0], sound_effect_prompt="waves, gulls far away")
    sounding = await handle
    await handle.save(out / "sounding.mp4", overwrite=True)

    print(f"after: {picture.final_unit_deduction} units of the image pack")
    paid = [made.final_unit_deduction or Decimal(0) for made in (moving, speech, faces, speaking, sounding)]
    print(f"after: {sum(paid, Decimal(0))} units of the video pack: {', '.join(map(str, paid))}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case [directory]:
            asyncio.run(main(directory))
        case _:
            sys.exit(__doc__)
