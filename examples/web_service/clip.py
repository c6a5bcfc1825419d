"""One clip: what somebody asked for, as it is kept on disk, and what is shown of it."""

import json
import os
import shutil
from pathlib import Path
from typing import IO, Any, Final

import attrs

from examples.web_service import options
from kling_async import Entry, EntryState, Estimate, ImageToVideo, Progress, estimate

FORM: Final = "form.json"
"""What is in each directory of a clip."""
_FAILURE: Final = "failure.json"


@attrs.frozen(kw_only=True)
class Clip:
    """What somebody asked for.

    Attributes:
        id: the name of its directory, and the key of the work in the journal.
        directory: where its files are.
        fields: texts of the form.
        created_at: in UTC, as ISO 8601 has it.
        failure: status and message, where it was refused for good.
    """

    id: str
    directory: Path
    fields: dict[str, str]
    created_at: str
    failure: dict[str, str] | None = None

    @property
    def person(self) -> str:
        """Whose it is, once it is in its place."""
        return self.directory.parent.name

    @property
    def picture(self) -> Path:
        """As it was uploaded."""
        return self.directory / "picture"

    @property
    def picture_type(self) -> str:
        """By its bytes, which were checked, and not by what somebody called it; blocks."""
        with self.picture.open("rb") as file:
            return "image/png" if file.read(4) == b"\x89PNG" else "image/jpeg"

    @property
    def video(self) -> Path:
        """Where the video is saved."""
        return self.directory / "video.mp4"

    @property
    def request(self) -> ImageToVideo:
        """What is sent."""
        return options.request_of(self.fields, self.picture)

    @classmethod
    def read(cls, directory: Path) -> "Clip":
        """From its directory; blocks."""
        failure = directory / _FAILURE
        return cls(
            id=directory.name,
            directory=directory,
            **json.loads((directory / FORM).read_text("utf-8")),
            failure=json.loads(failure.read_text("utf-8")) if failure.exists() else None,
        )

    def keep(self, picture: IO[bytes]) -> None:
        """Puts picture and form on disk, so that not even a power cut takes them; blocks."""
        self.directory.mkdir(parents=True)
        with self.picture.open("xb") as file:
            shutil.copyfileobj(picture, file)
            file.flush()
            os.fsync(file.fileno())
        _write(self.directory / FORM, {"fields": self.fields, "created_at": self.created_at})

    def fail(self, status: str, message: str) -> None:
        """Keeps why there will be no video; blocks."""
        _write(self.directory / _FAILURE, {"status": status, "message": message})


def _write(path: Path, value: Any) -> None:
    """Writes JSON that is whole or not there."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync(path.parent)


def sync(directory: Path) -> None:
    """Makes new names in a directory last; blocks."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@attrs.frozen
class Shown:
    """A clip, and what the journal knows of it."""

    clip: Clip
    entry: Entry | None = None
    progress: Progress | None = None

    @property
    def status(self) -> str:
        """In one word, for the page."""
        return self._outcome[0]

    @property
    def message(self) -> str:
        """Why there is no video."""
        return self._outcome[1]

    @property
    def _outcome(self) -> tuple[str, str]:
        entry, failure = self.entry, self.clip.failure
        if failure is not None:
            return failure["status"], failure["message"]
        if entry is None or entry.state is EntryState.REFUSED:
            return "waiting", ""
        if entry.state is EntryState.LOST:
            return "unknown", f"It may be billed: {entry.error}"
        if entry.state in {EntryState.INTENT, EntryState.ACCEPTED}:
            return "running", "No answer yet whether it was accepted." if entry.error else ""
        return ("failed", entry.error or "The service could not make it.") if entry.failed else ("done", "")

    @property
    def is_final(self) -> bool:
        """Whether nothing more comes."""
        return self.status in {"done", "failed", "unknown"}

    def as_json(self) -> dict[str, Any]:
        """As the page reads it."""
        clip, request, path = self.clip, self.clip.request, f"/api/clips/{self.clip.id}"
        progress = self.progress if self.status == "running" else None
        left = None if progress is None else progress.seconds_left
        cost = estimate(request)
        if self.entry is not None and self.entry.units is not None:
            cost = Estimate(units=self.entry.units, usd=self.entry.list_price or cost.usd)
        return {
            "id": clip.id,
            "prompt": request.prompt or "",
            "model_name": request.model_name,
            "mode": request.mode or "std",
            "duration": request.duration,
            "sound": request.sound is True,
            "status": self.status,
            "message": self.message,
            "share": None if progress is None else round(progress.share, 3),
            "seconds_left": None if left is None else round(left),
            "created_at": clip.created_at,
            **options.price(cost),
            "picture": f"{path}/picture",
            "video": f"{path}/video" if self.status == "done" else None,
            "events": f"{path}/events",
        }
