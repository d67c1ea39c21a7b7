"""A real TURN server: coturn, in a separate process, with one user."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final, Self

from tests.support.ports import port_for_later
from tests.support.processes import Process

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.tls import Certificate

__all__ = ["CREDENTIAL", "USERNAME", "Coturn", "missing"]

USERNAME: Final = "user-4711"
CREDENTIAL: Final = "credential-4711"


def missing() -> str:
    """Return why coturn cannot run on this machine; empty if it can."""
    return "" if shutil.which("turnserver") else "needs coturn (apt-get install coturn)"


class Coturn:
    """A TURN server inside a ``with``: UDP and TCP on `port`, and TLS on `tls_port` if it has a certificate.

    Args:
        folder: for its files.
        listen: the address for clients.
        relay: the address of its relays.
        certificate: for ``turns:``.
        within: a command that runs it elsewhere, such as in a network namespace.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listen: str = "127.0.0.1",
        relay: str = "127.0.0.1",
        certificate: Certificate | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self.host = listen
        self.port = port_for_later()
        self.tls_port = port_for_later()
        folder.mkdir(exist_ok=True)
        options = {
            "listening-ip": listen,
            "listening-port": self.port,
            "relay-ip": relay,
            "realm": "example.org",
            "user": f"{USERNAME}:{CREDENTIAL}",
            "userdb": folder / "users",
            "pidfile": folder / "pid",
            "log-file": "stdout",
        }
        flags = ["no-cli", "lt-cred-mech", "simple-log", "verbose", "allow-loopback-peers", "no-dtls"]
        if certificate is None:
            flags.append("no-tls")
        else:
            options |= {
                "tls-listening-port": self.tls_port,
                "cert": certificate.path,
                "pkey": certificate.key_path,
            }
        self._command = [
            *within,
            "turnserver",
            "-n",  # without the machine's configuration file
            *(f"--{flag}" for flag in flags),
            *(f"--{name}={value}" for name, value in options.items()),
        ]

    def server(self, *schemes: str, credential: str = CREDENTIAL, host: str | None = None) -> dict[str, Any]:
        """Return it in the form of ``/config``, with ``schemes`` of ``udp`` (the default), ``tcp`` and ``tls``."""
        host = host or self.host
        urls = {
            "udp": f"turn:{host}:{self.port}",
            "tcp": f"turn:{host}:{self.port}?transport=tcp",
            "tls": f"turns:{host}:{self.tls_port}",
        }
        return {
            "urls": [urls[scheme] for scheme in schemes or ("udp",)],
            "username": USERNAME,
            "credential": credential,
        }

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; a stopped server looks like one that died silently."""
        self._process.signal(number)

    def wait_for(self, text: str) -> str:
        """Return the next line of its log that contains ``text``."""
        while True:
            line = self._process.line()
            if text in line:
                return line

    def __enter__(self) -> Self:
        self._process = Process(self._command).__enter__()
        self.wait_for("Total General servers")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__()
