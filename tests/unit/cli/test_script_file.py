"""Files with scripts: what each format says, and errors that name the file and the line."""

from __future__ import annotations

import builtins
import io
import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image

from odyssey_proto import MissingExtraError, OdysseyConfigError
from odyssey_proto.cli._script_file import ScriptFile, format_of, read_script_file

ENTRIES: Final = [
    {"timestamp_ms": 0, "start": {"prompt": "A cat"}},
    {"timestamp_ms": 1500, "interact": {"prompt": "It rains"}},
    {"timestamp_ms": 3000, "end": {}},
]
YAML: Final = """\
- timestamp_ms: 0
  start:
    prompt: A cat
- timestamp_ms: 1500
  interact: {prompt: It rains}
- timestamp_ms: 3000
  end:
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(name: str, content: str | bytes, hold_s: float | None = None) -> ScriptFile:
    path = Path(name)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = format_of(path)
    assert found is not None
    return read_script_file(path, found, hold_s, 10)


def checked(name: str, content: str | bytes, hold_s: float | None = None) -> list[list[dict[str, Any]]]:
    return read(name, content, hold_s).checked(portrait=False)


def start(prompt: str, at_ms: int = 0) -> dict[str, Any]:
    return {"timestamp_ms": at_ms, "start": {"prompt": prompt}}


def interact(prompt: str, at_ms: int) -> dict[str, Any]:
    return {"timestamp_ms": at_ms, "interact": {"prompt": prompt}}


def end(at_ms: int) -> dict[str, Any]:
    return {"timestamp_ms": at_ms, "end": {}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(ENTRIES)),
        ("a.JSON", json.dumps(ENTRIES, indent=2)),
        ("a.json", json.dumps(ENTRIES).encode("utf-8-sig")),
        ("a.json", json.dumps(ENTRIES).encode("utf-16")),
        ("a.json", json.dumps({"script": ENTRIES})),
        ("a.json", json.dumps({"scripts": [ENTRIES]})),
        ("a.jsonl", "\n".join(map(json.dumps, ENTRIES)) + "\n\n"),
        ("a.ndjson", json.dumps(ENTRIES)),
        ("a.yaml", YAML),
        ("a.yml", "script:\n" + YAML),
        ("a.yml", "scripts:\n- " + YAML.replace("\n", "\n  ")),
    ],
)
def test_a_script_is_read_in_every_format(name: str, content: str | bytes) -> None:
    assert checked(name, content) == [ENTRIES]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps([ENTRIES, ENTRIES])),
        ("a.json", json.dumps({"scripts": [ENTRIES, ENTRIES]})),
        ("a.jsonl", f"{json.dumps(ENTRIES)}\n{json.dumps(ENTRIES)}"),
        ("a.yaml", "- &a\n" + "".join(f"  {line}\n" for line in YAML.splitlines()) + "- *a\n"),
    ],
)
def test_several_scripts_are_read(name: str, content: str) -> None:
    assert checked(name, content) == [ENTRIES, ENTRIES]


@pytest.mark.parametrize(("text", "portrait"), [('{"script": [], "portrait": true}', True), ("[]", None)])
def test_a_file_may_say_the_shape(text: str, portrait: bool | None) -> None:
    assert read("a.json", text).portrait is portrait


@pytest.mark.parametrize(
    ("name", "content", "scripts"),
    [
        ("a.csv", "prompt\nA cat\n\nA dog\n", [[start("A cat"), end(10_000)], [start("A dog"), end(10_000)]]),
        (
            "a.csv",
            'Prompt, Time\n"A cat, on a hill",\n"It\nrains",1.5s\n',
            [[start("A cat, on a hill"), interact("It\nrains", 1500), end(11_500)]],
        ),
        (
            "a.csv",
            "script;prompt;time\nx;A cat;0\ny;A dog;0\nx;It rains;0:02\n",
            [[start("A cat"), interact("It rains", 2000), end(12_000)], [start("A dog"), end(10_000)]],
        ),
        (
            "a.tsv",
            "prompt\tscript\nA cat\tx\nIt rains\tx\n",
            [[start("A cat"), interact("It rains", 10_000), end(20_000)]],
        ),
        ("a.yaml", "- A cat\n- A dog\n", [[start("A cat"), end(10_000)], [start("A dog"), end(10_000)]]),
        (
            "a.jsonl",
            '{"prompt": "A cat"}\n{"prompt": "It rains", "time": 2.5}\n',
            [[start("A cat"), interact("It rains", 2500), end(12_500)]],
        ),
        ("a.json", '["A cat"]', [[start("A cat"), end(10_000)]]),
    ],
)
def test_prompts_become_scripts(name: str, content: str, scripts: list[Any]) -> None:
    assert checked(name, content) == scripts


def test_prompts_are_held_as_long_as_wanted() -> None:
    assert checked("a.csv", "prompt\nA cat\n", 2.5) == [[start("A cat"), end(2500)]]


def test_a_cell_may_be_as_long_as_a_picture() -> None:
    prompt = "A cat " * 100_000
    assert checked("a.csv", f"prompt\n{prompt}\n") == [[start(prompt), end(10_000)]]


def test_images_are_beside_the_file() -> None:
    Path("sub").mkdir()
    Image.new("RGB", (1280, 704)).save("sub/cat.png")
    for name, content in {
        "sub/a.csv": "prompt,image\nA cat,cat.png\n",
        "sub/a.json": '[{"timestamp_ms": 0, "start": {"prompt": "A cat", "image": "cat.png"}}]',
        "b.csv": f"prompt,image\nA cat,{Path('sub/cat.png').absolute()}\n",
    }.items():
        assert checked(name, content)[0][0]["start"]["image"].startswith("data:image/png;base64,")
    url = checked("sub/a.csv", "prompt,image\nA cat,cat.png\n")[0][0]["start"]["image"]
    assert checked("c.csv", f'prompt,image\nA cat,"{url}"\n')[0][0]["start"]["image"] == url


WRONG: Final[list[tuple[str, str | bytes, str]]] = [
    ("empty.json", "", ": it is empty"),
    ("list.json", "[]", ":1: script: it has no entries"),
    ("text.json", '\n"x"', ":2: a script is a list of entries, not a text"),
    ("comma.json", '[{"timestamp_ms": 0,\n1}]', ":2: not JSON: Expecting property name"),
    ("deep.json", "[" * 100_000, ": not JSON that can be read"),
    ("key.json", '{"scrpt": []}', ':1: it must be a list, or an object with one of "script" and "scripts"'),
    ("more.json", '{"script": [],\n"seed": 1}', ":2: 'seed' is unknown beside 'script' and 'portrait'"),
    ("shape.json", '{"script": [],\n"portrait": 1}', ":2: portrait must be true or false"),
    ("flat.json", '{"scripts": [\n{}]}', ":2: scripts[0] must be a list of entries, not an object"),
    ("mixed.json", "[[{}],\n3]", ":1: scripts[0][0]: exactly one of start, interact and end is needed, not 0"),
    (
        "action.json",
        '[\n{"timestamp_ms": 0, "start": {"prompt": "A"}},\n{"timestamp_ms": 1,\n"interact": {"promt": "x"}}]',
        ":4: script[1].interact: prompt is missing",
    ),
    (
        "second.json",
        (
            '{"scripts": [[{"timestamp_ms": 0, "start": {"prompt": "A"}}],\n'
            '[{"timestamp_ms": 0, "start": {"prompt": "A"}},\n{"timestamp_ms": -5, "end": {}}]]}'
        ),
        ":3: scripts[1][1]: timestamp_ms must be 0 or more ms",
    ),
    (
        "no.json",
        '[[{"timestamp_ms": 0, "start": {"prompt": "A"}}],\n{}]',
        ":2: scripts[1] must be a list of entries, not dict",
    ),
    ("open.yaml", "- {a: 1\n", ":2: not YAML: expected ',' or '}'"),
    ("two.yaml", "a: 1\n---\nb: 2", ":2: not YAML: but found another document"),
    ("tag.yaml", "- !!python/object:x.y {}", ":1: not YAML: could not determine a constructor"),
    (
        "date.yaml",
        "- timestamp_ms: 0\n  start: {prompt: 2020-01-01}",
        ":2: script[0].start: prompt must be a string, not date",
    ),
    ("noday.yaml", "- 2020-99-99", ": not YAML that can be read"),
    ("bell.yaml", "- a\x07", ": not YAML: it has characters that are not allowed"),
    ("none.yaml", "# nothing", ": a script is a list of entries, not nothing"),
    ("circle.yaml", "- &a [*a]", ":1: scripts[0][0]: it must be a dict, not list"),
    (
        "image.yaml",
        "- timestamp_ms: 0\n  start:\n    prompt: A\n    image: no.png",
        ":4: script[0].start.image: The image file 'no.png' does not exist",
    ),
    ("kinds.jsonl", '{"prompt": "A"}\n\n["x"]', ":3: a list, but the first line is an object"),
    ("line.jsonl", '{"prompt": "A"}\n{', ":2: not JSON: "),
    (
        "twice.jsonl",
        "\n".join(2 * ['{"timestamp_ms": 0, "start": {"prompt": "A"}}']),
        ":2: script[1]: a stream is running already; end it first",
    ),
    ("number.jsonl", '{"prompt": "A"}\n{"prompt": 3}', ":2: prompt must be text, not int"),
    ("row.json", '["A",\n3]', ":2: it must be a prompt, not int"),
    ("true.json", '[{"prompt": "A", "time": true}]', ":1: time must be a number of seconds"),
    ("typo.csv", "prompt,tiem\nA,1", ":1: 'tiem' is not a column; did you mean time?"),
    ("column.csv", "prompt,price\nA,1", ":1: 'price' is not a column; there are prompt, time, script, image"),
    ("head.csv", "A cat\nA dog", ":1: the first row must name the columns: prompt, time, script, image"),
    ("quote.csv", "prompt\nA cat, on a hill", ":2: more cells (2) than columns (1); a text with a comma needs"),
    ("soon.csv", "prompt;time\nA;soon", ":2: time must be a number of seconds from 0 to 86400, not 'soon'"),
    ("unended.csv", 'prompt\n"A', ":2: not CSV: "),
    ("gap.csv", "prompt,time\nA,1\n,2", ":3: the prompt is missing"),
    ("back.csv", "prompt,time\nA,3\n\nB,1", ":4: script[1]: timestamp_ms goes back from 3000 to 1000"),
    ("late.csv", "prompt,time,image\nA,,\nB,1,b.png", ":3: image: only the first prompt of a script can have"),
    ("heading.csv", "prompt\n", ": it has no prompts"),
    ("latin.csv", b"prompt\n\xe9\n", ":2: not UTF-8 text"),
]


@pytest.mark.parametrize(("name", "content", "problem"), WRONG, ids=[name for name, *_ in WRONG])
def test_what_is_wrong_is_said_with_the_line(name: str, content: str | bytes, problem: str) -> None:
    with pytest.raises(OdysseyConfigError) as failed:
        checked(name, content)
    assert str(failed.value).startswith(name + problem)


def test_a_time_to_hold_is_for_prompts() -> None:
    with pytest.raises(OdysseyConfigError, match="--hold applies to lists of prompts"):
        checked("a.json", json.dumps(ENTRIES), 3)


def test_a_file_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(OdysseyConfigError, match=r"^no\.json: it cannot be read: No such file or directory$"):
        read_script_file(Path("no.json"), "json", None, 10)


@pytest.mark.parametrize(
    ("stdin", "problem"),
    [(None, "it is closed"), (io.StringIO(""), "it is empty"), (io.StringIO("{"), "not JSON")],
)
def test_stdin_is_named_in_errors(stdin: Any, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(OdysseyConfigError, match=f"^stdin.*: {problem}"):
        read_script_file(Path("-"), "json", None, 10)


def test_without_pyyaml_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"odyssey-proto\[cli\]"):
        read("a.yaml", YAML)
