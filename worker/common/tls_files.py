"""Loading of certificates, keys and secrets from the files named by settings."""

import ssl
from collections.abc import Callable
from pathlib import Path

from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.common.text_encoding import decode_utf8


def load_authorities(context: ssl.SSLContext, setting: str, file: Path) -> None:
    """Trust the certificate authorities in a PEM file. Raises InputError, SettingsError."""
    _load(setting, [file], lambda: context.load_verify_locations(file))


def load_certificate(
    context: ssl.SSLContext, setting: str, certificate: Path, key: Path | None, password: Path | None
) -> None:
    """Load a certificate and its private key. Raises InputError, SettingsError.

    Args:
        context: TLS context to configure.
        setting: Name of the setting, for errors.
        certificate: PEM file with the certificate.
        key: PEM file with the key; None if the key is in the certificate file.
        password: File with the password of an encrypted key.
    """
    # With None OpenSSL would prompt for a password on the terminal.
    text = read_secret(password, f"{setting.rpartition('.')[0]}.key_password_file") if password else ""
    files = [certificate, key] if key else [certificate]
    _load(setting, files, lambda: context.load_cert_chain(certificate, key, text), _pem_fault)


def read_secret(file: Path, setting: str) -> str:
    """Return the text of a file without a byte order mark and trailing line ends.

    setting: name of the setting, for errors. Raises InputError.
    """
    try:
        text = decode_utf8(file.read_bytes()).rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file}, named by {setting!r}: {getattr(error, 'strerror', error)}") from error
    if not text:
        raise InputError(f"{file}, named by {setting!r}, is empty: a password or token is expected in it")
    return text


def openssl_reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason for an error, in lower case."""
    return (error.reason or str(error)).replace("_", " ").lower()


def _load(
    setting: str, files: list[Path], load: Callable[[], None], explain: Callable[[list[Path]], str] = lambda _: ""
) -> None:
    try:
        for file in files:
            file.open("rb").close()  # OpenSSL does not name the missing file
        load()
    except ssl.SSLError as error:
        names = " and ".join(map(str, files))
        why = (explain(files) if error.reason in (None, "PEM_LIB") else "") or openssl_reason(error)
        raise SettingsError(f"setting {setting!r}: {names} cannot be used: {why}") from error
    except OSError as error:
        raise InputError(f"cannot read {error.filename}, named by {setting!r}: {error.strerror}") from error


def _pem_fault(files: list[Path]) -> str:
    """Return the cause of OpenSSL's error "PEM lib", which has several; empty if it is unknown."""
    certificate, key = (file.read_text("latin-1") for file in (files[0], files[-1]))
    if "CERTIFICATE-----" not in certificate:
        return "no PEM certificate found"
    if "PRIVATE KEY-----" not in key:
        return "no PEM private key found; set key_file, or add the key to certificate_file"
    if "ENCRYPTED" in key:
        return "the private key is encrypted, and key_password_file is not set or has a wrong password"
    return ""
