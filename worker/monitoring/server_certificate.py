"""TLS certificate of the health port, reloaded when its files change.

Plants renew certificates every few weeks.
"""

import re
import socket
import ssl
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog

from stripwatch.worker.common.errors import SettingsError, StripwatchError
from stripwatch.worker.common.tls_files import load_authorities, load_certificate
from stripwatch.worker.config.sections import MetricsSettings

log = structlog.get_logger()

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_UTC_TIME, _VERSION = 0x17, 0xA0


class ServerCertificate:
    """The certificate and the TLS context of the health port.

    The constructor raises InputError or SettingsError if the files cannot be used. Later, the last valid certificate
    stays in use.

    expires_s: end of the certificate's validity, in Unix seconds.
    """

    def __init__(self, settings: MetricsSettings) -> None:
        assert settings.certificate_file is not None
        self._settings = settings
        self._file = settings.certificate_file
        self._loaded = self._state_of_files()
        self._refused = ""
        self._reloading = threading.Lock()
        self._context, self.expires_s = self._load()

    def wrap(self, connection: socket.socket) -> ssl.SSLSocket:
        """Wrap the server side of a connection in TLS.

        Reads no file; the thread of the connection calls `prepare_handshake`.
        """
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def prepare_handshake(self, connection: ssl.SSLSocket) -> None:
        """Make the connection use the current certificate, and reload the files first if they have changed.

        If reading hangs, for example on a network mount, only one caller waits. Raises OSError if the client has
        disconnected.
        """
        if self._reloading.acquire(blocking=False):
            try:
                self._reload_if_changed()
            finally:
                self._reloading.release()
        connection.getpeername()  # a connection without a peer does not accept a context
        connection.context = self._context

    def _reload_if_changed(self) -> None:
        """Reload the files if they have changed.

        Files that cannot be used, for example because they are half written, are retried with each connection and
        logged once.
        """
        state = self._state_of_files()
        if state == self._loaded:
            return
        try:
            self._context, self.expires_s = self._load()
        except (StripwatchError, OSError) as error:
            if str(error) != self._refused:
                self._refused = str(error)
                log.warning(
                    "new certificate of the health port cannot be used; keeping the previous one", error=str(error)
                )
            return
        self._loaded, self._refused = state, ""
        log.info("certificate of the health port reloaded", expires=_iso(self.expires_s))

    def _load(self) -> tuple[ssl.SSLContext, float]:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        files = self._file, settings.key_file, settings.key_password_file
        load_certificate(context, "metrics.certificate_file", *files)
        if settings.client_ca_file is not None:
            load_authorities(context, "metrics.client_ca_file", settings.client_ca_file)
            # a probe has no certificate; health.py decides which paths it may read
            context.verify_mode = ssl.CERT_OPTIONAL
        expires_s = expiry_s(self._file)
        if expires_s < time.time():
            log.warning("certificate of the health port has expired", file=str(self._file), at=_iso(expires_s))
        return context, expires_s

    def _state_of_files(self) -> list[tuple[int, int, int] | None]:
        """Return the modification time, inode and size of each file; None for a missing one."""
        settings = self._settings
        files = self._file, settings.key_file, settings.key_password_file, settings.client_ca_file
        return [_state_of(file) for file in files if file is not None]


def server_certificate(settings: MetricsSettings) -> ServerCertificate | None:
    """Return the certificate of the health port, or None if the settings name none."""
    return ServerCertificate(settings) if settings.certificate_file else None


def expiry_s(file: Path) -> float:
    """Return the expiry of the first certificate in a PEM file, in Unix seconds. Raises SettingsError.

    Python's ssl module only reports the expiry of a peer's certificate.
    """
    found = _PEM.search(file.read_text("latin-1"))
    if found is None:
        raise SettingsError(f"setting 'metrics.certificate_file': {file} contains no PEM certificate")
    try:
        return _expiry_s(ssl.PEM_cert_to_DER_cert(found[0]))
    except (ValueError, IndexError) as error:
        raise SettingsError(f"setting 'metrics.certificate_file': {file} contains no X.509 certificate") from error


def _expiry_s(der: bytes) -> float:
    ((_, certificate),) = _der_values(der)
    fields = _der_values(_der_values(certificate)[0][1])  # RFC 5280: [version,] number, algorithm, issuer, validity
    validity = fields[4 if fields[0][0] == _VERSION else 3][1]
    kind, text = _der_values(validity)[1]
    layout = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode(), layout).replace(tzinfo=UTC).timestamp()


def _der_values(der: bytes) -> list[tuple[int, bytes]]:
    """Return the tag and content of each value in a sequence of DER values, which is the content of a SEQUENCE."""
    values, at = [], 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:  # long form: the low bits give the number of length bytes
            size = length & 0x7F
            length = int.from_bytes(der[at : at + size], "big")
            at += size
        values.append((tag, der[at : at + length]))
        at += length
    return values


def _state_of(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _iso(s: float) -> str:
    return datetime.fromtimestamp(s, UTC).isoformat()
