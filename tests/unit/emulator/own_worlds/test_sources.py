"""The world that a user gives is found, or refused with an error that says what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from odyssey_proto import OdysseyConfigError
from odyssey_proto.emulator import Emulator
from odyssey_proto.emulator._own_worlds.clips import Clip, Slides
from odyssey_proto.emulator._own_worlds.sources import WorldSource, source_of
from tests.support import worlds
from tests.support.cases import every
from tests.support.worlds import clip, pictures

OURS = "tests.support.worlds"


class Halting:
    """Not quite a world: it has no ``interact``."""

    def start(self, *_: Any) -> None: ...

    def picture(self, t: float) -> None: ...


class Outer:
    Inner = worlds.Levels


def found(world: Any) -> WorldSource:
    return source_of(world, rate=20)


@pytest.mark.parametrize("world", [worlds.Levels, f"{OURS}:Levels", worlds.levels, f"{OURS}:levels"])
def test_a_class_and_a_factory_make_a_world_for_each_stream(world: Any) -> None:
    source = found(world)
    one, other = source.make(), source.make()
    assert isinstance(one, worlds.Levels)
    assert one is not other
    assert source.turn is None
    assert source.name in (f"{OURS}:Levels", f"{OURS}:levels")


@pytest.mark.parametrize(("world", "name"), [(worlds.SHARED, None), (f"{OURS}:SHARED", f"{OURS}:SHARED")])
def test_an_object_is_the_world_of_all_streams_which_take_turns(world: Any, name: str | None) -> None:
    source = found(world)
    assert source.make() is source.make() is worlds.SHARED
    assert source.turn is not None
    assert source.name == name


def test_a_name_may_lead_into_a_class() -> None:
    assert found(f"{__name__}:Outer.Inner").make is worlds.Levels


def test_what_another_process_cannot_import_has_no_name() -> None:
    class Local(worlds.Levels):
        pass

    assert found(Local).name is None
    assert found(lambda: worlds.Levels()).name is None


@pytest.mark.parametrize("as_text", [True, False])
def test_a_path_is_a_clip_or_a_folder_and_its_name_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_text: bool
) -> None:
    clip(tmp_path / "clip.mp4", [20], fps=10)
    pictures(tmp_path / "film", {"1.png": 20})
    monkeypatch.chdir(tmp_path)
    for name, kind in (("clip.mp4", Clip), ("film", Slides)):
        source = found(name if as_text else Path(name))
        assert isinstance(source.make(), kind)
        assert source.name == str(tmp_path / name)


def test_a_file_whose_name_looks_like_that_of_a_class_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(tmp_path / "clip.mp4", [20], fps=10).rename(tmp_path / "my:clip")
    monkeypatch.chdir(tmp_path)
    assert isinstance(found("my:clip").make(), Clip)


def test_a_module_in_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_here.py").write_text("from helping_here import World\n")
    (tmp_path / "helping_here.py").write_text("from tests.support.worlds import Levels as World\n")
    elsewhere = [path for path in sys.path if path not in ("", str(tmp_path))]
    monkeypatch.setattr(sys, "path", [*elsewhere])  # as for a command
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    with pytest.raises(OdysseyConfigError, match="no module 'mine_here'"):
        found("mine_here:World")
    monkeypatch.chdir(tmp_path)
    assert found("mine_here:World").make is worlds.Levels
    assert sys.path == [*elsewhere, str(tmp_path)]


WRONG: dict[str, tuple[Any, str]] = {
    "no module": (
        "gradient:Gradient",
        "'gradient:Gradient': there is no module 'gradient'. Run this in the folder",
    ),
    "no submodule": ("tests.gradient:G", "there is no module 'tests.gradient'"),
    "no package": ("gradient.world:G", "there is no module 'gradient'"),
    "no name": (f"{OURS}:Level", f"'{OURS}' has no 'Level': did you mean 'Levels'?"),
    "no name at all": (f"{OURS}:zzzzzz", f"'{OURS}' has no 'zzzzzz'"),
    "no method": (f"{__name__}:Halting", f"world {__name__}:Halting has no method interact(prompt)"),
    "a class without a method": (Halting, "Halting'> has no method interact(prompt)"),
    "an object without a method": (Halting(), "has no method interact(prompt)"),
    "no world": (f"{__name__}:OURS", "has no method start(prompt, image, size, seed) and no method interact"),
    "no world's class": (dict, "has no method start(prompt, image, size, seed)"),
    "no file": (
        "cat.mp4",
        'cat.mp4\' is not there: give a video, a folder of pictures, or a class as "module:Name"',
    ),
    "no folder": (Path("cats"), "cats' is not there"),
    "half a name": ("gradient:", "is not there"),
}


@every("case", WRONG)
def test_what_is_no_world_is_refused_before_the_emulator_starts(case: str) -> None:
    world, text = WRONG[case]
    with pytest.raises(OdysseyConfigError) as caught:
        Emulator(world=world)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("import not_installed_at_all", "needs the module 'not_installed_at_all'"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("def", "cannot be imported: SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, text: str
) -> None:
    (tmp_path / "mine_that_fails.py").write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(OdysseyConfigError) as caught:
        found("mine_that_fails:World")
    assert f"world 'mine_that_fails:World': 'mine_that_fails' {text}" in str(caught.value)


def test_a_module_that_ends_its_program_does_not_end_the_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ending_script.py").write_text("import sys\nsys.exit('bye')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OdysseyConfigError, match=r"'ending_script' cannot be imported: SystemExit: bye"):
        found("ending_script:World")
