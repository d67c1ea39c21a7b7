"""The certificates that are trusted, depending on environment variables, with real files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import requests.utils

from odyssey_proto._net import trust
from odyssey_proto._net.failures import SettingError
from odyssey_proto._net.trust import trusting_context
from tests.support.tls import Certificate, self_signed

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

STRICT = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
ALL = (*STRICT, "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
    trust._of_bundle.cache_clear()
    trust._as_openssl.cache_clear()


@pytest.fixture
def own(tmp_path: Path) -> Certificate:
    return self_signed(tmp_path)


def trusts_ours(context: ssl.SSLContext) -> bool:
    return any(
        certificate["subject"] == ((("commonName", "localhost"),),) for certificate in context.get_ca_certs()
    )


def size(context: ssl.SSLContext) -> int:
    return len(context.get_ca_certs())


def test_without_settings_the_bundle_of_certifi_is_trusted() -> None:
    assert size(trusting_context()) > 50
    assert trusting_context() is trusting_context()


@pytest.mark.parametrize("name", [*STRICT, "SSL_CERT_FILE"])
def test_a_file_that_is_named_is_trusted_alone(
    name: str, own: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(own.path))
    context = trusting_context()
    assert trusts_ours(context)
    assert size(context) == 1


def test_the_first_variable_that_is_set_counts(own: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/openssl.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere/curl.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own.path))
    assert trusts_ours(trusting_context())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    with pytest.raises(SettingError, match=r"CURL_CA_BUNDLE names '/nowhere/curl\.pem'"):
        trusting_context()


@pytest.mark.parametrize("name", STRICT)
@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("{folder}/missing.pem", "which does not exist:"),
        ("{folder}/certificate.pem/x", "which does not exist:"),
        ('"{path}"', "(quotes, blanks and line breaks are part of the name)"),
        ("'{path}'", "(quotes, blanks and line breaks are part of the name)"),
        (" {path}", "(quotes, blanks and line breaks are part of the name)"),
        ("{path}\n", "(quotes, blanks and line breaks are part of the name)"),
        ("\ufeff{path}", "(quotes, blanks and line breaks are part of the name)"),
        (" ", "(quotes, blanks and line breaks are part of the name)"),
        ("~/certificate.pem", "(~ is not expanded)"),
        ("{folder}/empty.pem", "which contains no certificates in PEM form:"),
        ("{folder}/picture.pem", "which contains no certificates in PEM form:"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_reported_with_its_variable(
    name: str, form: str, why: str, own: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.pem").touch()
    (tmp_path / "picture.pem").write_bytes(b"\x89PNG\r\n\x1a\n" * 40)
    value = form.format(path=own.path, folder=tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as caught:
        trusting_context()
    assert str(caught.value).startswith(f"{name} names {value!r}, ")
    assert why in str(caught.value)
    assert str(caught.value).endswith(": correct it, or unset it")
    assert caught.value.code == "ca_bundle"


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = tmp_path / "loop.pem"
    loop.symlink_to(loop)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(loop))
    with pytest.raises(SettingError, match=r"which cannot be read \("):
        trusting_context()


@pytest.mark.parametrize("value", ["/nowhere/ca.pem", '"/etc/ca.pem"', "~/ca.pem", "{empty}"])
def test_openssls_own_file_is_left_out_with_one_warning_if_it_cannot_be_used(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "empty.pem").touch()
    value = value.format(empty=tmp_path / "empty.pem")
    monkeypatch.setenv("SSL_CERT_FILE", value)
    assert size(trusting_context()) > 50
    trusting_context()
    (warning,) = caplog.messages
    assert warning.startswith(f"continuing without certificates: SSL_CERT_FILE names {value!r}, which ")


def test_openssls_folders_are_trusted_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "trusted"
    folder.mkdir()
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(["/nowhere/certs", str(folder), ""]))
    assert size(trusting_context()) > 50  # OpenSSL reads those in the folder only when it needs them
    assert caplog.messages == [
        "continuing without certificates: SSL_CERT_DIR names '/nowhere/certs', which does not exist"
    ]


def test_a_file_that_is_replaced_is_read_again(
    own: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "later.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with pytest.raises(SettingError):
        trusting_context()
    path.write_bytes(own.path.read_bytes())
    before = trusting_context()
    path.write_bytes(own.path.read_bytes() * 2)
    assert trusting_context() is not before


def test_a_missing_bundle_of_certifi_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests.utils, "DEFAULT_CA_BUNDLE_PATH", "/nowhere/cacert.pem")  # as if frozen without it
    with pytest.raises(SettingError, match=r"of certifi are '/nowhere/cacert\.pem', which does not exist"):
        trusting_context()
