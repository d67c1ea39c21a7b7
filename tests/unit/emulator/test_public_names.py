"""The public surface of `odyssey_proto.emulator`: its names, their ``__module__``, and its loggers."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from odyssey_proto import emulator
from odyssey_proto._video import stamp
from odyssey_proto._video.stamp import Stamp
from odyssey_proto.emulator._faults.script import Fault
from odyssey_proto.emulator._stamps import read_stamp, stamp_latency_ms

LOGGERS = {"http", "signaling", "streamer", "peer", "broadcast", "recordings", "jobs", "worlds", "sloppiness"}


@pytest.mark.parametrize("name", emulator.__all__)
def test_a_public_object_says_that_it_is_from_the_public_package(name: str) -> None:
    assert getattr(emulator, name).__module__ == "odyssey_proto.emulator"


@pytest.mark.parametrize("name", emulator.__all__)
def test_a_public_object_is_pickled_by_its_public_name(name: str) -> None:
    pickled = pickle.dumps(getattr(emulator, name), protocol=0)
    assert b"odyssey_proto.emulator\n" in pickled
    assert pickle.loads(pickled) is getattr(emulator, name)


def test_a_fault_survives_pickling() -> None:
    fault = Fault(step="media", action="stop", after=40)
    assert pickle.loads(pickle.dumps(fault)) == fault


def test_a_stamp_is_read_from_grey_and_from_colour() -> None:
    picture = av.VideoFrame.from_ndarray(np.full((64 * 3 // 2, 512), 128, np.uint8), "yuv420p")
    stamp.draw(picture, 7, 1000)
    for form in ("gray", "rgb24", "bgr24"):
        assert read_stamp(picture.to_ndarray(format=form)) == Stamp(frame_number=7, time_ms=1000)
    assert stamp_latency_ms(Stamp(frame_number=7, time_ms=1000), 1.25) == 250.0


def test_a_picture_without_a_stamp_has_none() -> None:
    assert read_stamp(np.full((64, 512), 128, np.uint8)) is None


def test_loggers_have_the_names_that_are_documented() -> None:
    names = set()
    for path in Path(emulator.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger":
                (argument,) = node.args
                value: Any = ast.literal_eval(argument)
                names.add(value)
    assert names == {"odyssey_proto.emulator", *(f"odyssey_proto.emulator.{name}" for name in LOGGERS)}
    assert emulator.__doc__ is not None
    assert [name for name in LOGGERS if f"``.{name}``" not in emulator.__doc__] == []
