"""Certificates, keys and secrets in files that settings name."""

import ssl
from collections.abc import Callable
from pathlib import Path

from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.common.text_encoding import decode_utf8


def load_authorities(context: ssl.SSLContext, setting: str, file: Path) -> None:
    """Trust the authorities of a PEM file. Raises InputError, SettingsError."""
    _load(setting, [file], lambda: context.load_verify_locations(file))


def load_certificate(
    context: ssl.SSLContext, setting: str, certificate: Path, key: Path | None, password: Path | None
) -> None:
    """Load a certificate and its key, which is in the same file where key is None. Raises InputError, SettingsError.

    password: file with the password of an encrypted key.
    """
    # Text, even if empty, keeps OpenSSL from asking for a password at the terminal.
    text = read_secret(password) if password else ""
    files = [certificate, key] if key else [certificate]
    _load(setting, files, lambda: context.load_cert_chain(certificate, key, text), _pem_fault)


def read_secret(file: Path) -> str:
    """The text of a file without the byte order mark and the line end that an editor leaves. Raises InputError."""
    try:
        text = decode_utf8(file.read_bytes()).rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file}: {getattr(error, 'strerror', error)}") from error
    if not text:
        raise InputError(f"{file} is empty: a password or token is expected in it")
    return text


def openssl_reason(error: ssl.SSLError) -> str:
    """OpenSSL's own words."""
    return (error.reason or str(error)).replace("_", " ").lower()


def _load(
    setting: str, files: list[Path], load: Callable[[], None], explain: Callable[[list[Path]], str] = lambda _: ""
) -> None:
    try:
        for file in files:
            file.open("rb").close()  # OpenSSL does not say which file is not there
        load()
    except ssl.SSLError as error:
        names = " and ".join(map(str, files))
        why = (explain(files) if error.reason in (None, "PEM_LIB") else "") or openssl_reason(error)
        raise SettingsError(f"setting {setting!r}: {names} cannot be used: {why}") from error
    except OSError as error:
        raise InputError(f"cannot read {error.filename}, named by {setting!r}: {error.strerror}") from error


def _pem_fault(files: list[Path]) -> str:
    """OpenSSL says "PEM lib" in each of these cases. Empty: none of them."""
    certificate, key = (file.read_text("latin-1") for file in (files[0], files[-1]))
    if "CERTIFICATE-----" not in certificate:
        return "there is no PEM certificate"
    if "PRIVATE KEY-----" not in key:
        return "there is no PEM key (key_file names it, or certificate_file holds it too)"
    if "ENCRYPTED" in key:
        return "the key is encrypted, and key_password_file is missing or holds another password"
    return ""
