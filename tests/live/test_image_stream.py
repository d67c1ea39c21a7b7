"""Streams that start from an image, with an emulator that shows it."""

from __future__ import annotations

import io
import itertools
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from odyssey_proto import Odyssey, OdysseyConfigError, OdysseyStreamError
from odyssey_proto._video.images import MAX_ENCODED_BYTES
from odyssey_proto.emulator._server import Emulator
from tests.support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto import Session, VideoFrame

RED, BLUE = (235, 20, 20), (20, 20, 235)


def red_and_blue(width: int = 1600, height: int = 900) -> Image.Image:
    """Return a picture that is red on the left and blue on the right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def sides(frame: VideoFrame) -> tuple[str, str]:
    """Return the strongest of red, green and blue on the left and on the right."""
    data = frame.data[frame.height // 4 : -frame.height // 4]
    quarter = frame.width // 4
    halves = data[:, :quarter], data[:, -quarter:]
    return tuple(("red", "green", "blue")[int(np.argmax(half.mean(axis=(0, 1))))] for half in halves)  # type: ignore[return-value]  # of two


@contextmanager
def connected(*, image_to_video: bool) -> Iterator[Session]:
    with (
        Emulator(image_to_video=image_to_video, record=False, size=(512, 128)) as emulator,
        Odyssey(emulator.api_key, api_url=emulator.api_url) as client,
        client.connect() as live,
    ):
        yield live


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connected(image_to_video=True) as live:
        yield live


@pytest.fixture(scope="module")
def unable() -> Iterator[Session]:
    with connected(image_to_video=False) as live:
        yield live


def early_frame(live: Session, **options: Any) -> VideoFrame:
    """Start a stream, look at one of its first frames, and end it.

    Not at the very first: it may be the last frame of the previous stream, which the decoder held back.
    """
    frames = live.frames(queue_size=64, timeout=30)  # none is dropped if this thread is slow
    assert live.start_stream(**options)
    frame = next(itertools.islice(frames, 2, None))
    live.end_stream()
    return frame


class TestThePicture:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
    def test_comes_from_a_file_of_any_format(self, session: Session, kind: str) -> None:
        assert sides(early_frame(session, image=encoded(red_and_blue(320, 200), kind))) == ("red", "blue")

    def test_comes_from_a_frame_of_an_earlier_stream(self, session: Session) -> None:
        earlier = early_frame(session, image=red_and_blue(), portrait=False)
        assert sides(early_frame(session, image=earlier.data, portrait=False)) == ("red", "blue")

    def test_is_turned_as_its_exif_data_says(self, session: Session) -> None:
        exif = Image.Exif()
        exif[0x0112] = 3  # upside down: the camera saw blue on the left
        raw = encoded(red_and_blue().transpose(Image.Transpose.ROTATE_180), exif=exif.tobytes())
        assert sides(early_frame(session, image=raw)) == ("red", "blue")

    def test_comes_from_a_file_that_is_as_large_as_may_be_and_sent_unchanged(
        self, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The emulator shares this process, and on a busy machine 25 MB may delay its signs of life.
        monkeypatch.setattr("odyssey_proto.core.signs_of_life.MISSING_AFTER_S", PATIENCE_S)
        raw = encoded(red_and_blue(1280, 704))
        full = raw + bytes(MAX_ENCODED_BYTES - len(raw))
        assert sides(early_frame(session, image=full, portrait=False)) == ("red", "blue")

    def test_is_another_without_an_image(self, session: Session) -> None:
        assert sides(early_frame(session, prompt="A green forest", portrait=False)) != ("red", "blue")


class TestWhatIsRefused:
    def test_a_streamer_without_the_capability_refuses_before_the_image_is_read(self, unable: Session) -> None:
        with pytest.raises(OdysseyStreamError, match="cannot start from an image") as caught:
            unable.start_stream("A cat", image="no/such/file.jpg")
        assert (caught.value.code, caught.value.session_id) == ("image_not_supported", unable.session_id)
        assert unable.stream_id is None

    def test_the_session_is_usable_after_that(self, unable: Session) -> None:
        assert early_frame(unable, prompt="A cat", portrait=False).index == 2

    @pytest.mark.parametrize(
        ("image", "error"),
        [
            ("no/such/file.jpg", OdysseyConfigError),
            (b"no image", OdysseyConfigError),
            ("data:image/png;base64,YQ==", OdysseyConfigError),
            (np.zeros((4, 4)), OdysseyConfigError),
            (3, TypeError),
        ],
    )
    def test_an_image_that_is_none_leaves_the_session_usable(
        self, session: Session, image: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            session.start_stream("A cat", image=image)
        assert session.stream_id is None
        assert early_frame(session, prompt="A cat").index == 2

    @pytest.mark.parametrize(
        "start",
        [
            lambda live: live.start_stream("A cat", image="cat.jpg", image_path="dog.jpg"),
            lambda live: live.start_stream("A cat", True, "cat.jpg", "dog.jpg"),
        ],
    )
    def test_both_names_of_the_argument(self, session: Session, start: Callable[[Session], str]) -> None:
        with pytest.raises(OdysseyConfigError, match="both were given"):
            start(session)

    def test_the_old_name_warns_where_the_session_is_called(self, session: Session) -> None:
        with pytest.warns(DeprecationWarning, match="image_path") as caught, pytest.raises(OdysseyConfigError):
            session.start_stream("A cat", image_path=os.devnull)
        assert caught[0].filename == __file__

    def test_a_missing_connection_is_reported_before_a_missing_image(self) -> None:
        with Odyssey("ody_key") as client, pytest.raises(OdysseyStreamError) as caught:
            client.start_stream("A cat", image="no/such/file.jpg")
        assert caught.value.code == "not_connected"

    def test_a_session_that_has_ended_says_so(self) -> None:
        with connected(image_to_video=False) as live:
            live.disconnect()
            with pytest.raises(OdysseyStreamError) as caught:
                live.start_stream("A cat", image=red_and_blue())
        assert caught.value.code == "not_connected"
