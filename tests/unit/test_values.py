"""Values as users use them: in JSON, in NumPy, in other processes."""

from __future__ import annotations

import copy
import io
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import attrs
import av
import numpy as np
import pydantic
import pytest

import odyssey_proto
from odyssey_proto import (
    BroadcastInfo,
    GapEvent,
    MonthlyLimitReachedError,
    Odyssey,
    OdysseyConfigError,
    OdysseyStreamError,
    Recording,
    SimulationJobDetail,
    SimulationJobStatus,
    StreamEnded,
    VideoFrame,
)
from odyssey_proto._video.frame import _Picture
from odyssey_proto._video.images import to_data_url
from tests.support.links import FakeService
from tests.support.processes import LOADING_S

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE = np.random.default_rng(7).integers(0, 256, (4, 6, 3), np.uint8)
JOB = SimulationJobDetail(job_id="j-1", status=SimulationJobStatus.PENDING, priority="normal", created_at="")


# --- JSON


def test_json_dumps_takes_values_with_to_dict_as_its_default() -> None:
    gone = StreamEnded(error=OdysseyStreamError("It broke", code="broken"), at=2.0)
    text = json.dumps({"job": JOB, "events": [gone]}, default=lambda value: value.to_dict())
    data = json.loads(text)
    assert data["job"]["status"] == "pending"
    assert data["events"][0]["type"] == "StreamEnded"
    assert data["events"][0]["error"]["code"] == "broken"


def test_what_is_known_of_an_error_is_in_its_json() -> None:
    error = MonthlyLimitReachedError("Used up", action="Wait", details={"used_hours": 5}, status=403)
    data = json.loads(json.dumps(error.to_dict()))
    assert (data["type"], data["action"], data["details"]) == (
        "MonthlyLimitReachedError",
        "Wait",
        {"used_hours": 5},
    )
    assert set(data) == {"type", *vars(error)}


def test_a_web_framework_takes_what_to_dict_returns_for_its_own_model() -> None:
    """FastAPI: ``@app.get(..., response_model=Answer)`` and ``return recording.to_dict()``."""

    class Answer(pydantic.BaseModel):
        stream_id: str
        video_url: str | None

    recording = Recording(stream_id="st-1", video_url="https://files.example.org/st-1.mp4")
    assert Answer.model_validate(recording.to_dict()).model_dump() == {
        "stream_id": "st-1",
        "video_url": "https://files.example.org/st-1.mp4",
    }


def test_a_broadcast_hides_its_token_in_its_repr_and_has_it_in_its_json() -> None:
    info = BroadcastInfo("https://live.example.org/s", "hush", "https://live.example.org/s.m3u8")
    assert "hush" not in repr(info)
    assert BroadcastInfo(**info.to_dict()) == info


def test_an_event_has_every_field_in_its_json() -> None:
    event = GapEvent(seconds=1.5, frames_missed=30, at=7.0)
    assert event.to_dict() == {"type": "GapEvent", **attrs.asdict(event)}


def test_a_frame_goes_to_the_web_as_a_jpeg() -> None:
    """FastAPI: ``Response(content=jpeg.getvalue(), media_type="image/jpeg")``."""
    jpeg = io.BytesIO()
    frame().to_image().save(jpeg, "JPEG")
    assert jpeg.getvalue().startswith(b"\xff\xd8")


# --- frames


def frame(**options: Any) -> VideoFrame:
    return VideoFrame(PICTURE, 6, 4, 50, **options)


def decoded() -> VideoFrame:
    planes = np.random.default_rng(7).integers(16, 236, (96, 64), np.uint8)
    picture = av.VideoFrame.from_ndarray(planes, "yuv420p")
    picture.color_range = 1
    return VideoFrame._of(_Picture(picture, 3, 150, 1.5), 2)


def test_a_frame_is_made_as_documented() -> None:
    made = VideoFrame(data=PICTURE, width=6, height=4, timestamp_ms=50)
    assert np.array_equal(made.data, PICTURE)
    assert (made.width, made.height, made.shape, made.timestamp_ms) == (6, 4, (4, 6, 3), 50)


def test_a_frame_of_another_size_than_it_says_is_refused() -> None:
    with pytest.raises(OdysseyConfigError, match="width and height must be 6 and 4"):
        VideoFrame(PICTURE, 4, 6, 50)


def test_a_frame_is_its_picture_for_numpy() -> None:
    made = frame()
    assert np.asarray(made) is made.data or np.shares_memory(np.asarray(made), made.data)
    assert np.array_equal(np.asarray(made), PICTURE)
    assert np.asarray(made, np.float32).dtype == np.float32
    drawn_on = np.array(made)
    drawn_on[:] = 0
    assert np.array_equal(made.data, PICTURE)


@pytest.mark.parametrize("make", [frame, decoded])
def test_a_frame_survives_pickling_to_the_bit(make: Callable[[], VideoFrame]) -> None:
    made = make()
    other = pickle.loads(pickle.dumps(made))
    assert repr(other) == repr(made)
    assert (other.received_at, other.dropped_before) == (made.received_at, made.dropped_before)
    for pixel_format in ("rgb24", "gray", "yuv420p"):
        assert np.array_equal(other.to_ndarray(pixel_format), made.to_ndarray(pixel_format))


def test_what_was_drawn_on_a_frame_is_not_pickled() -> None:
    made = frame()
    made.data[:] = 0
    assert np.array_equal(pickle.loads(pickle.dumps(made)).data, PICTURE)


def test_a_frame_goes_through_a_queue_between_processes() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:  # it has a queue for each direction
        assert np.array_equal(pool.submit(copy.copy, frame()).result(LOADING_S).data, PICTURE)


def test_a_copy_of_a_frame_is_the_frame_itself_and_a_deep_copy_is_another() -> None:
    made = frame()
    assert copy.copy(made) is made
    assert not np.shares_memory(copy.deepcopy(made).data, made.data)


def test_a_stream_can_start_from_a_frame() -> None:
    assert to_data_url(frame(), portrait=True) == to_data_url(PICTURE, portrait=True)


def test_an_object_without_pixels_is_no_image() -> None:
    with pytest.raises(TypeError, match="image must be a path"):
        to_data_url(object(), portrait=True)  # type: ignore[arg-type]  # that is the point


# --- objects of one process only


def test_a_client_that_is_pickled_says_what_to_hand_over_instead() -> None:
    with Odyssey("ody_key") as client, pytest.raises(TypeError, match="pass its settings"):
        pickle.dumps(client)


def test_a_session_that_is_pickled_says_what_to_hand_over_instead(nothing_left: None) -> None:
    with FakeService().session() as session, pytest.raises(TypeError, match="create_client_credentials"):
        pickle.dumps(session)


def test_a_spectator_that_is_pickled_says_what_to_hand_over_instead(nothing_left: None) -> None:
    with FakeService().spectator() as spectator, pytest.raises(TypeError, match="BroadcastInfo"):
        pickle.dumps(spectator)


# --- the package


def test_the_package_shows_its_public_names_only() -> None:
    assert dir(odyssey_proto) == sorted(vars(odyssey_proto)["__all__"])


def test_the_default_of_the_client_is_shown_in_words() -> None:
    assert repr(odyssey_proto.CLIENT_DEFAULT) == "<the client's default>"
