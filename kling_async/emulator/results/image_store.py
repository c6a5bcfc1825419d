"""The submitted images, kept on disk for as long as the emulator runs."""

import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import attrs

from kling_async.emulator.service.endpoint import AcceptedRequest

from . import image_header
from .rendering.spec import BY_URL, TOO_LARGE

DAMAGED_MESSAGE: Final = "Failed to decode the input image. Please check the image file."
"""Message of a task with a damaged image; the emulator's own, as no such answer of the service is on record."""

_KEPT_BYTES: Final = 2**30
_PIECE: Final = 256 * 1024  # a multiple of 4, so that each piece is valid base64

Check = Callable[[bytes], object]
"""Decodes an image; raises ValueError if it is damaged."""


class MissingImageError(Exception):
    """An image is no longer stored, because newer images needed the space."""


class ImageStore:
    """Stores images by their content, the latest up to a limit. For use by one thread, except `load`.

    Args:
        directory: The directory of the files.
        check: Decodes a new image, None to store images undecoded.
        limit: Bytes of all images, at most.
    """

    def __init__(self, directory: Path, check: Check | None, limit: int = _KEPT_BYTES) -> None:
        self._directory = directory
        self._check = check
        self._limit = limit
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def take(self, pictures: Iterable[tuple[str, str]], request: AcceptedRequest) -> AcceptedRequest:
        """Stores the images of a checked request.

        Args:
            pictures: URLs or base64, each with its key in `AcceptedRequest.images`.
            request: The request.

        Returns:
            The request with the images' names, and with the reason of its failure if one of them is damaged.
        """
        names: dict[str, str] = {}
        damage = ""
        for field, text in pictures:
            try:
                names[field] = self._keep(text)
            except ValueError:
                damage = DAMAGED_MESSAGE
        return attrs.evolve(request, images=names, damage=request.damage or damage)

    def load(self, name: str) -> bytes:
        """Returns an image's bytes.

        Raises:
            MissingImageError: If it is no longer stored.
        """
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            raise MissingImageError(name) from None

    def path(self, name: str) -> Path:
        """Returns the path of an image, which need not exist."""
        return self._directory / name

    def _keep(self, text: str) -> str:
        """Stores one image.

        Returns:
            Its name, or the marker of an image that is not stored.

        Raises:
            ValueError: If it is damaged.
        """
        if text.startswith(("http://", "https://")):
            return BY_URL
        data = b"".join(binascii.a2b_base64(text[start : start + _PIECE]) for start in range(0, len(text), _PIECE))
        name = hashlib.sha256(data).hexdigest()
        if name in self._sizes:
            self._sizes.move_to_end(name)
            return name
        if self._check is not None:
            width, height = image_header.dimensions(data)
            if width * height > image_header.MAX_PIXELS:
                return TOO_LARGE
            self._check(data)
        self.path(name).write_bytes(data)
        self._sizes[name] = len(data)
        while sum(self._sizes.values()) > self._limit and len(self._sizes) > 1:
            self.path(self._sizes.popitem(last=False)[0]).unlink(missing_ok=True)
        return name
