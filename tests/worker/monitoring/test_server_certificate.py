"""The certificate files of the health port: errors in them, and reloading."""

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.monitoring.server_certificate import ServerCertificate, expiry_s


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the certificates that a test may change, with an encrypted key and a file that is not PEM."""
    copy = Path(shutil.copytree(made, tmp_path / "tls"))
    lock = ["openssl", "rsa", "-aes128", "-in", "client.key", "-out", "locked.key", "-passout", "pass:geheim"]
    subprocess.run(lock, cwd=copy, check=True, capture_output=True)
    (copy / "password").write_text("geheim\n")
    (copy / "junk").write_text("no PEM")
    return copy


def load(folder: Path, **names: str) -> ServerCertificate:
    files: dict[str, Any] = {f"{setting}_file": folder / name for setting, name in names.items()}
    return ServerCertificate(MetricsSettings(**files))


@pytest.mark.parametrize(
    "names",
    [
        {"certificate": "broker.pem"},
        {"certificate": "client.pem", "key": "client.key", "client_ca": "ca.pem"},
        {"certificate": "client.pem", "key": "locked.key", "key_password": "password"},
    ],
)
def test_accepts_valid_files(folder: Path, names: dict[str, str]) -> None:
    context = load(folder, **names)._context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == (ssl.CERT_OPTIONAL if "client_ca" in names else ssl.CERT_NONE)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"certificate": "nowhere"}, r"cannot read .*nowhere, named by 'metrics\.certificate_file': No such file"),
        (
            {"certificate": "client.pem"},
            r"'metrics\.certificate_file': .*client\.pem cannot be used: no PEM private key found; set key_file",
        ),
        ({"certificate": "client.pem", "key": "nowhere"}, "cannot read .*nowhere"),
        ({"certificate": "client.pem", "key": "ca.key"}, "cannot be used: key values mismatch"),
        (
            {"certificate": "client.pem", "key": "locked.key"},
            "the private key is encrypted, and key_password_file is not set",
        ),
        ({"certificate": "client.pem", "key": "locked.key", "key_password": "junk"}, "or has a wrong password"),
        ({"certificate": "junk"}, "no PEM certificate found"),
        ({"certificate": "broker.pem", "client_ca": "junk"}, r"'metrics\.client_ca_file': .*junk cannot be used"),
    ],
)
def test_names_an_invalid_file(folder: Path, names: dict[str, str], why: str) -> None:
    with pytest.raises(StripwatchError, match=why):
        load(folder, **names)


def test_warns_of_an_expired_certificate(made: Path) -> None:
    with capture_logs() as lines:
        load(made, certificate="expired.pem")
    assert [line["event"] for line in lines] == ["certificate of the health port has expired"]


@pytest.mark.parametrize("days", [1, 20_000])  # X.509 encodes the time differently before 2050 and from 2050 on
def test_reads_the_same_expiry_as_openssl(tmp_path: Path, made: Path, days: int) -> None:
    file = tmp_path / "certificate.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-key",
        str(made / "ca.key"),
        "-subj",
        "/CN=a",
        "-days",
        str(days),
        "-out",
        str(file),
    ]
    subprocess.run(make, check=True, capture_output=True)
    shown = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", file], capture_output=True, text=True)
    assert expiry_s(file) == ssl.cert_time_to_seconds(shown.stdout.strip().removeprefix("notAfter="))


def renewed(certificate: ServerCertificate) -> bool:
    before = certificate._context
    certificate._reload_if_changed()
    return certificate._context is not before


def test_reloads_changed_files(folder: Path) -> None:
    certificate = load(folder, certificate="client.pem", key="client.key")
    expires_s = certificate.expires_s
    assert not renewed(certificate)
    with capture_logs() as lines:
        shutil.copy(folder / "other.pem", folder / "client.pem")
        assert not renewed(certificate), "the new key has not been written yet"
        assert not renewed(certificate)
        shutil.copy(folder / "other.key", folder / "client.key")
        assert renewed(certificate)
    assert not renewed(certificate)
    assert certificate.expires_s != expires_s
    assert [line["event"] for line in lines] == [
        "new certificate of the health port cannot be used; keeping the previous one",
        "certificate of the health port reloaded",
    ]


def test_keeps_the_certificate_while_files_are_missing(folder: Path) -> None:
    certificate = load(folder, certificate="client.pem", key="client.key", client_ca="ca.pem")
    (folder / "client.key").rename(folder / "away.key")
    with capture_logs() as lines:
        assert not renewed(certificate)
    assert "cannot read" in lines[0]["error"]
    (folder / "away.key").rename(folder / "client.key")
    shutil.copy(folder / "other.pem", folder / "ca.pem")
    assert renewed(certificate), "the client authority has changed"
