"""Certificates, and the settings that say which are trusted: the same for REST and signaling."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from odyssey_proto import OdysseyAuthError, OdysseyConnectionError
from odyssey_proto._base.errors import OdysseyError
from odyssey_proto._net import trust
from odyssey_proto._net.signaling import SignalingConnection
from tests.support.apis import made_api, until
from tests.support.servers import HttpServer, SignalingServer, answer
from tests.support.tls import self_signed

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

STRICT = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*STRICT, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    trust._of_bundle.cache_clear()
    trust._as_openssl.cache_clear()


def rest(tls: ssl.SSLContext) -> OdysseyError:
    """Return the error of a call: the server refuses the key if the call reaches it."""
    with (
        HttpServer({"POST /auth/token": answer(status="401 Unauthorized")}, tls=tls) as server,
        made_api(server) as api,
        pytest.raises(OdysseyError) as caught,
    ):
        api.access_token(until())
    return caught.value


def signaling(tls: ssl.SSLContext) -> OdysseyError:
    """Return the error of opening signaling: the server refuses the token if the handshake reaches it."""
    with (
        SignalingServer(
            handshake=lambda connection, _: connection.send(answer(status="401 Unauthorized")), tls=tls
        ) as server,
        pytest.raises(OdysseyError) as caught,
    ):
        SignalingConnection.open(
            server.ws_url, "s-1", "t", until(), on_message=lambda _: None, on_closed=lambda _: None
        )
    return caught.value


@pytest.mark.parametrize("name", STRICT)
@pytest.mark.parametrize("form", ["/nowhere/ca.pem", '"{}"', " {}", "{}\n", "~/ca.pem", "{}.empty"])
def test_a_bundle_that_cannot_be_used_is_one_final_error_for_rest_and_signaling(
    name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    (tmp_path / f"{certificate.path.name}.empty").touch()
    value = form.format(certificate.path)
    monkeypatch.setenv(name, value)
    of_rest, of_signaling = rest(certificate.server), signaling(certificate.server)
    assert str(of_rest).startswith(f"POST /auth/token: {name} names {value!r}, which ")
    assert str(of_signaling).removeprefix("WebSocket /client") == str(of_rest).removeprefix("POST /auth/token")
    for error in (of_rest, of_signaling):
        assert isinstance(error, OdysseyConnectionError)
        assert (error.code, error.recoverable) == ("ca_bundle", False)


@pytest.mark.parametrize("name", [*STRICT, "SSL_CERT_FILE"])
def test_a_bundle_of_ones_own_is_trusted_by_rest_and_signaling(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv(name, str(certificate.path))
    assert isinstance(rest(certificate.server), OdysseyAuthError)
    assert isinstance(signaling(certificate.server), OdysseyAuthError)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl, for the names of files")
@pytest.mark.parametrize("name", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_a_folder_of_certificates_is_trusted_by_rest_and_signaling(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    asked = ["openssl", "x509", "-hash", "-noout", "-in", str(certificate.path)]
    hashed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / f"{hashed}.0").write_bytes(certificate.path.read_bytes())
    monkeypatch.setenv(name, str(folder))
    assert isinstance(rest(certificate.server), OdysseyAuthError)
    assert isinstance(signaling(certificate.server), OdysseyAuthError)


def test_a_folder_in_which_openssl_finds_nothing_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    for error in (rest(certificate.server), signaling(certificate.server)):
        assert error.code == "ca_bundle"
        assert f"{str(tmp_path)!r}, a folder in which no certificate is named by its hash" in str(error)


def test_a_bundle_with_one_damaged_certificate_is_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    damaged = "\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (tmp_path / "damaged.pem").write_text(certificate.path.read_text() + damaged)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "damaged.pem"))
    assert "of which a certificate cannot be read: correct it" in str(rest(certificate.server))


def test_a_log_of_keys_that_cannot_be_written_is_left_out_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Users set SSLKEYLOGFILE to read their own traffic; a container may lack its folder."""
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys.log")
    assert isinstance(rest(certificate.server), OdysseyAuthError)
    assert isinstance(signaling(certificate.server), OdysseyAuthError)
    (warning,) = (record.message for record in caplog.records if record.levelname == "WARNING")
    assert (
        warning == "continuing without SSLKEYLOGFILE, which names '/nowhere/keys.log': No such file or directory"
    )


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_what_openssl_would_leave_out_is_left_out_with_one_warning(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv(name, "/nowhere/certificates")
    for error in (rest(certificate.server), signaling(certificate.server)):
        assert error.code == "untrusted_certificate"
    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert f"{name} names '/nowhere/certificates', which does not exist" in warning.message


@pytest.mark.parametrize(
    ("days", "why"), [((-3, -1), "certificate has expired"), ((1, 3), "certificate is not yet valid")]
)
def test_a_certificate_out_of_its_time_points_at_the_clock(
    days: tuple[int, int], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, days=days)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    for error in (rest(certificate.server), signaling(certificate.server)):
        assert (error.code, error.recoverable) == ("untrusted_certificate", False)
        assert f"({why}): check the date and the clock of this machine" in str(error)
        assert "REQUESTS_CA_BUNDLE" not in str(error)


def test_a_certificate_of_another_host_points_at_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "127.0.0.9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.path))
    for error in (rest(certificate.server), signaling(certificate.server)):
        assert error.code == "untrusted_certificate"
        assert str(error).endswith(": check the address")
