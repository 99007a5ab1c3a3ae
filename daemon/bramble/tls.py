"""The certificate: a self-signed one for a house without a certificate authority, and the context that serves one."""

import hashlib
import socket
import ssl
import subprocess
import tempfile
from ipaddress import ip_address
from pathlib import Path

import psutil

from bramble import durable
from bramble.config import Config, TlsSettings
from bramble.errors import BrambleError, ConfigError

DAYS = 825
"""How long it is valid: Apple's devices take none that is longer."""
_SECONDS = 60


class CannotMake(BrambleError):
    """No certificate was made; the message says why."""

    code = "cannot_make"


class Certificate:
    """What is served by TLS. Raises ConfigError where the files are no certificate and its key."""

    def __init__(self, settings: TlsSettings) -> None:
        self._files = settings.certificate, settings.key
        self._seen = self._look()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        try:
            self._load()
        except OSError as error:  # SSLError is one
            raise ConfigError(
                f"server.tls: {' and '.join(self._files)} cannot be used: {error.strerror or error}",
                "They are PEM files of a certificate and its key; `bramble tls` makes a pair.",
            ) from error

    def refresh(self) -> bool:
        """Serve new connections with the files that are there now, where they changed. Raises OSError."""
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        self._load()
        return True

    def _load(self) -> None:
        # A pair of which only one file is replaced yet would leave a context without a key: tried elsewhere first.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            # Without a password function OpenSSL would ask at the terminal for that of an encrypted key.
            context.load_cert_chain(*self._files, password=lambda: "")

    def _look(self) -> list[int]:
        files = [Path(file) for file in self._files]
        return [file.stat().st_mtime_ns for file in files if file.is_file()]


def certificate(settings: TlsSettings) -> Certificate | None:
    """The certificate of the settings, None where they name none. Raises ConfigError."""
    if not (settings.certificate or settings.key):
        return None
    if not (settings.certificate and settings.key):
        raise ConfigError("server.tls: a certificate needs its key, and a key its certificate")
    return Certificate(settings)


def command(config: Config, *, again: bool) -> None:
    """`bramble tls`. Raises CannotMake."""
    folder = config.state_dir / "tls"
    cert, key = folder / "certificate.pem", folder / "key.pem"
    try:
        if again or not (cert.is_file() and key.is_file()):
            _make(config, cert, key)
            print(f"A certificate for {', '.join(_names(config))} is made, valid for {DAYS} days.")
        print(f"Its SHA-256 fingerprint is {fingerprint(cert.read_text())}")
    except OSError as error:
        raise CannotMake(f"{folder} cannot be used: {error.strerror or error}.") from error
    in_use = (config.server.tls.certificate, config.server.tls.key) == (str(cert), str(key))
    if not in_use:
        print("To use it, put this into config.yaml and start Bramble again:\n")
        print(f"server:\n  tls:\n    certificate: {cert}\n    key: {key}\n")
    print("Browsers warn once of a certificate that nobody else signed: compare the fingerprint.")


def fingerprint(pem: str) -> str:
    """As browsers show it."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.strip() + "\n")).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _make(config: Config, cert: Path, key: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        made_cert, made_key = Path(name, "certificate.pem"), Path(name, "key.pem")
        try:
            subprocess.run(
                _openssl(_names(config), made_cert, made_key),
                check=True,
                capture_output=True,
                timeout=_SECONDS,
            )
        except FileNotFoundError as error:
            raise CannotMake("openssl is not installed.", "Run `apt install openssl`.") from error
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", b"") or b""
            raise CannotMake(f"openssl failed: {said.decode(errors='replace').strip()}") from error
        durable.replace(key, made_key.read_bytes())
        durable.replace(cert, made_cert.read_bytes(), mode=0o644)


def _openssl(names: list[str], cert: Path, key: Path) -> list[str]:
    alternatives = ",".join(f"{_kind(name)}:{name}" for name in names)
    return [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-days", str(DAYS), "-subj", f"/CN={names[0]}", "-out", str(cert)),
        *("-addext", f"subjectAltName={alternatives}", "-addext", "extendedKeyUsage=serverAuth"),
        *("-keyout", str(key)),
    ]


def _names(config: Config) -> list[str]:
    """What the page is opened under: names and the addresses that this machine has now."""
    machine = socket.gethostname().lower().partition(".")[0]
    names = [f"{machine}.local", machine, "localhost", *config.server.names]
    addresses = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6) and "%" not in entry.address
    ]
    return list(dict.fromkeys([*names, *addresses]))


def _kind(name: str) -> str:
    try:
        ip_address(name)
    except ValueError:
        return "DNS"
    return "IP"
