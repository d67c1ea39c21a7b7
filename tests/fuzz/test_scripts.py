"""Input of the command line: files of scripts and prompts, and ids on stdin."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

import click
from hypothesis import strategies as st

from odyssey_proto import OdysseyConfigError
from odyssey_proto.cli._ids import ids_in
from odyssey_proto.cli._script_file import read_script_file
from odyssey_proto.cli._timeline import print_timeline, timeline
from tests.support.fuzzing import json_like, mutated, mutated_text, target

ENTRIES: Final = [
    {"timestamp_ms": 0, "start": {"prompt": "A cat", "image": "data:image/png;base64,iVBORw0KGgo="}},
    {"timestamp_ms": 1500, "interact": {"prompt": "It rains"}},
    {"timestamp_ms": 3000, "end": {}},
]
FILES: Final = {
    "json": (json.dumps(ENTRIES), json.dumps({"scripts": [ENTRIES, ENTRIES[1:]], "portrait": True}), '["A", "B"]'),
    "jsonl": ("\n".join(map(json.dumps, ENTRIES)), '{"prompt": "A", "time": 1}\n{"prompt": "B", "script": 2}'),
    "yaml": (
        "- timestamp_ms: 0\n  start: &a {prompt: A}\n- {timestamp_ms: 9, interact: *a}\n- timestamp_ms: 9\n  end:",
        "scripts:\n- [{timestamp_ms: 0, start: {prompt: 2020-01-01}}]\n",
        "- A cat\n- prompt: A dog\n  time: 1:30\n",
        "- &a [*a, !!binary aGk=, !!set {x}, <<: 1]\n",
    ),
    "csv": (
        'prompt,time,script,image\nA cat,0,a,\n"It\nrains",1:30,a,\n',
        "prompt;time\nA;1\n",
        "prompt\tscript\nA\tx",
    ),
}
IDS: Final = ("job-1\njob-2\n", "id\tstatus\njob-1\tfailed", '{"jobs": [{"job_id": "job-1"}]}\n', '["job-1"]')


def _read(content: bytes, file_format: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        file = read_script_file(path, file_format, None, 10)
        print_timeline(timeline(file, file.checked(portrait=False)))


@target(
    st.sampled_from(sorted(FILES)).flatmap(
        lambda kind: st.tuples(
            mutated([text.encode() for text in FILES[kind]], (b"\n- ", b"*a", b"&a ", b"[", b"{", b'"', b"<<: ")),
            st.just(kind),
        )
    ),
    refuses=(OdysseyConfigError,),
    examples=200,
)
def test_a_file_of_scripts(given: tuple[bytes, str]) -> None:
    _read(*given)


@target(json_like(), refuses=(OdysseyConfigError,))
def test_scripts_of_any_shape(data: object) -> None:
    _read(json.dumps(data).encode(), "json")


@target(mutated_text(IDS), refuses=(click.UsageError,))
def test_ids(text: str) -> None:
    for name in ids_in(text, "job_id"):
        assert name
        assert name == name.strip()
