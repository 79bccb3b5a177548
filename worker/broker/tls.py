"""TLS and SASL for Kafka clients: convert the settings `security.*` to options of kafka-python."""

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kafka.net.sasl.oauth import AbstractTokenProvider

from stripwatch.worker.broker.reachability import greet, tls_reason
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.common.tls_files import load_authorities, load_certificate, read_secret
from stripwatch.worker.config.security import Security

_BEARER_SETTING = "security.token_file"


def client_options(security: Security) -> dict[str, Any]:
    """Return the security options for any kafka-python client.

    Raises InputError for a file that cannot be read, and SettingsError for a file with invalid content.
    """
    return {"security_protocol": security.protocol} | encryption_options(security) | login_options(security)


def encryption_options(security: Security) -> dict[str, Any]:
    """Return the part of `client_options` for TLS, which reads the certificates. Raises the same errors."""
    return {"ssl_context": _tls_context(security)} if security.encrypted else {}


def login_options(security: Security) -> dict[str, Any]:
    """Return the part of `client_options` for SASL, which reads the password or token. Raises the same errors."""
    if not security.mechanism:
        return {}
    options: dict[str, Any] = {"sasl_mechanism": security.mechanism}
    if security.token_file:
        read_secret(security.token_file, _BEARER_SETTING)
        return options | {"sasl_oauth_token_provider": _FileToken(security.token_file)}
    return options | {"sasl_plain_username": security.username, "sasl_plain_password": _password(security)}


def check_tls(servers: Iterable[str], context: ssl.SSLContext) -> None:
    """Try a TLS handshake with each server.

    kafka-python 3.0.12 retries with an untrusted certificate until it times out, and reports only the timeout. Raises
    BrokerUnavailableError if a certificate is not trusted. Servers that cannot be reached are left to the client.
    """
    for server in servers:
        try:
            greet(server, context)
        except ssl.SSLCertVerificationError as error:
            raise BrokerUnavailableError(
                f"the certificate of Kafka at {server} is not trusted: {error.verify_message}"
            ) from error
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            continue  # closed the connection: it may be starting or stopping
        except ssl.SSLError as error:
            raise BrokerUnavailableError(f"TLS with Kafka at {server} failed: {tls_reason(error)}") from error
        except OSError:
            continue


def _tls_context(security: Security) -> ssl.SSLContext:
    """Create a context for TLS 1.2 or newer, in which the broker's certificate must match its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if security.ca_file:
        load_authorities(context, "security.ca_file", security.ca_file)
    else:
        context.load_default_certs()
    if security.certificate_file:
        files = security.certificate_file, security.key_file, security.key_password_file
        load_certificate(context, "security.certificate_file", *files)
    return context


def _password(security: Security) -> str:
    if security.password_file:
        return read_secret(security.password_file, "security.password_file")
    assert security.password is not None  # the settings are complete
    return security.password.get_secret_value()


class _FileToken(AbstractTokenProvider):  # type: ignore[misc]
    """Reads the token for each connection, and again before the broker's session limit ends."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def token(self) -> str:
        return read_secret(self._file, _BEARER_SETTING)
