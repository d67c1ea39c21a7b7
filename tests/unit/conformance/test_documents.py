"""The files of ``spec/``, found by name."""

from __future__ import annotations

from pathlib import Path

from odyssey_proto.conformance import _documents as documents

SPEC = Path(__file__).parents[3] / "spec"


def test_a_checkout_reads_its_own_folder() -> None:
    assert documents.spec_folder() == SPEC


def test_a_document_is_read_once() -> None:
    assert documents.document("openapi.yaml") is documents.document("openapi.yaml")
    assert documents.document("vectors/valid/Offer.json")["cases"]


def test_all_files_of_a_folder_are_found() -> None:
    found = documents.documents("schemas", ".yaml")
    assert [*found] == sorted(f"schemas/{path.name}" for path in (SPEC / "schemas").iterdir())
