"""Apache Kafka with TLS and SASL, and certificates made by openssl for each run."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stripwatch.worker.common.process.ports import free_port
from tests.brokers.apache import KafkaUnavailableError, apache_broker, find_tool

USER, PASSWORD = "line1", "rolled-cold-secret"
_SASL = "org.apache.kafka.common.security"
_UNSECURED = f"{_SASL}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"

# apache.py replaces the names in {{ and }} later.
_SETTINGS = """
listeners=PLAINTEXT://{{address}},CONTROLLER://127.0.0.1:{{controller_port}},SASL://127.0.0.1:{sasl},\
MUTUAL://127.0.0.1:{mutual},EXPIRED://127.0.0.1:{expired}
advertised.listeners=PLAINTEXT://{{address}},SASL://127.0.0.1:{sasl},MUTUAL://127.0.0.1:{mutual},EXPIRED://127.0.0.1:{expired}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL,EXPIRED:SSL
ssl.keystore.type=PEM
ssl.truststore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.location={folder}/ca.pem
listener.name.mutual.ssl.client.auth=required
listener.name.expired.ssl.keystore.type=PEM
listener.name.expired.ssl.keystore.location={folder}/expired.pem
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl.plain.sasl.jaas.config={sasl_package}.plain.PlainLoginModule required user_{user}="{password}";
listener.name.sasl.scram-sha-256.sasl.jaas.config={sasl_package}.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config={sasl_package}.scram.ScramLoginModule required;
listener.name.sasl.oauthbearer.sasl.jaas.config={sasl_package}.oauthbearer.OAuthBearerLoginModule required;
listener.name.sasl.oauthbearer.sasl.server.callback.handler.class={handler}
"""


@dataclass(frozen=True, slots=True)
class SecureBroker:
    """Broker with four listeners. folder: holds ca.pem, other.pem (another authority), client.pem and client.key."""

    plaintext: str
    sasl: str
    mutual: str
    expired: str
    folder: Path


@contextmanager
def secure_broker() -> Iterator[SecureBroker]:
    """Run the broker while the block lasts. Raises KafkaUnavailableError, also without openssl."""
    with tempfile.TemporaryDirectory(prefix="stripwatch-tls-") as name:
        folder = Path(name)
        make_certificates(folder)
        ports = {door: free_port() for door in ("sasl", "mutual", "expired")}
        settings = _SETTINGS.format(
            **ports, folder=folder, sasl_package=_SASL, user=USER, password=PASSWORD, handler=_UNSECURED
        )
        scram = [
            part
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for part in ("--add-scram", f'{mechanism}=[name="{USER}",password="{PASSWORD}"]')
        ]
        with apache_broker(settings, scram) as broker:
            doors = {door: f"127.0.0.1:{port}" for door, port in ports.items()}
            yield SecureBroker(broker.bootstrap_servers, **doors, folder=folder)


def make_certificates(folder: Path) -> None:
    """Make an authority with three certificates, one of them expired, and another authority that is not trusted."""
    for authority in ("ca", "other"):
        files = ["-keyout", f"{authority}.key", "-out", f"{authority}.pem"]
        _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=a", *files)
    for name, days in (("broker", 2), ("expired", -1), ("client", 2)):
        _sign(folder, name, days)
    for name in ("broker", "expired"):
        key, certificate = (Path(folder, f"{name}.{end}") for end in ("key", "pem"))
        certificate.write_text(key.read_text() + certificate.read_text())  # Kafka expects both in one file


def _sign(folder: Path, name: str, days: int) -> None:
    files = ["-keyout", f"{name}.key", "-out", f"{name}.csr"]
    address = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:worker"]
    _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", *address, *files)
    signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy"]
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-days", str(days), *signer, "-out", f"{name}.pem")


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run([find_tool("openssl"), *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise KafkaUnavailableError(f"openssl {arguments[0]} failed: {done.stderr.strip()[-300:]}")
