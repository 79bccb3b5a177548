"""TLS and SASL with Apache Kafka and certificates made for the test; passwords never appear in any output."""

import base64
import gc
import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer

from stripwatch.worker.broker.connection import ClientConfig, connect
from stripwatch.worker.broker.tls import client_options
from stripwatch.worker.common.errors import BrokerUnavailableError, InputError, SettingsError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.security import Security
from tests.brokers.apache import KafkaUnavailableError
from tests.brokers.handle import BrokerHandle
from tests.brokers.plugin import absence_is_a_skip
from tests.brokers.secure import PASSWORD, USER, SecureBroker, make_certificates, secure_broker
from tests.e2e.line import Line, run_cli, running_worker
from tests.tiny import encode_frame, write_bundle

WAIT_S = 2.0
NAMED = {"username": USER, "password": PASSWORD}
MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecureBroker]:
    with absence_is_a_skip(KafkaUnavailableError), secure_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    with absence_is_a_skip(KafkaUnavailableError):
        make_certificates(folder)
    return folder


def token(folder: Path, lives_s: float) -> Path:
    """Write an unsigned JWT, which Kafka's built-in unsecured token validator accepts."""
    now_s = time.time()
    claims: list[dict[str, Any]] = [{"alg": "none"}, {"sub": USER, "iat": now_s - 3600, "exp": now_s + lives_s}]
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in claims]
    file = folder / "token"
    file.write_text(".".join([*parts, ""]) + "\n")
    return file


def sasl(mechanism: str, folder: Path, lives_s: float = 600, **changes: Any) -> Security:
    proof: dict[str, Any] = {"token_file": token(folder, lives_s)} if mechanism == "OAUTHBEARER" else NAMED
    given = {"protocol": "SASL_SSL", "mechanism": mechanism, "ca_file": folder / "ca.pem"}
    return Security.model_validate(given | proof | changes)


def connection_error(address: str, security: Security) -> str:
    """Return the error message of a client that cannot connect."""
    with pytest.raises(BrokerUnavailableError) as lost:
        connect(KafkaConsumer, ClientConfig(address, security, wait_s_max=WAIT_S))
    assert PASSWORD not in str(lost.value)
    return str(lost.value)


@pytest.mark.long
@pytest.mark.kafka
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # kafka-python forgets sockets here
class TestOnKafka:
    @pytest.fixture(autouse=True)
    def _sockets(self) -> Iterator[None]:
        yield
        gc.collect()

    @pytest.mark.parametrize("mechanism", MECHANISMS)
    def test_sends_and_receives_a_frame(self, kafka: SecureBroker, mechanism: str) -> None:
        security = sasl(mechanism, kafka.folder)
        topic = BrokerHandle("secure", kafka.plaintext, 6000).new_topic()
        with connect(KafkaProducer, ClientConfig(kafka.sasl, security, wait_s_max=WAIT_S)) as producer:
            producer.send(topic, b"x" * 100_000).get(timeout=30)
        options = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 30_000}
        with connect(KafkaConsumer, ClientConfig(kafka.sasl, security, wait_s_max=WAIT_S), **options) as consumer:
            consumer.subscribe([topic])
            assert len(next(consumer).value) == 100_000

    def test_connects_with_a_client_certificate_if_the_broker_requires_one(self, kafka: SecureBroker) -> None:
        ca, ours, key = (kafka.folder / name for name in ("ca.pem", "client.pem", "client.key"))
        security = Security(protocol="SSL", ca_file=ca, certificate_file=ours, key_file=key)
        connect(KafkaConsumer, ClientConfig(kafka.mutual, security, wait_s_max=WAIT_S)).close()
        assert "certificate" in connection_error(kafka.mutual, Security(protocol="SSL", ca_file=ca))

    @pytest.mark.parametrize(
        ("mechanism", "changes", "sentence"),
        [
            ("PLAIN", {"password": "wrong"}, "rejected the PLAIN login: Authentication failed: Invalid username"),
            ("SCRAM-SHA-256", {"password": "wrong"}, "rejected the SCRAM-SHA-256 login"),
            ("SCRAM-SHA-512", {"username": "nobody"}, "rejected the SCRAM-SHA-512 login"),
            ("OAUTHBEARER", {"lives_s": -60}, "rejected the OAUTHBEARER login"),
        ],
    )
    def test_reports_wrong_credentials_in_one_sentence(
        self, kafka: SecureBroker, mechanism: str, changes: dict[str, Any], sentence: str
    ) -> None:
        assert sentence in connection_error(kafka.sasl, sasl(mechanism, kafka.folder, **changes))

    def test_reports_an_untrusted_certificate_in_one_sentence(self, kafka: SecureBroker) -> None:
        other = sasl("PLAIN", kafka.folder, ca_file=kafka.folder / "other.pem")
        assert "is not trusted: unable to get local issuer certificate" in connection_error(kafka.sasl, other)
        ours = Security(protocol="SSL", ca_file=kafka.folder / "ca.pem")
        assert "is not trusted: certificate has expired" in connection_error(kafka.expired, ours)
        assert "is not trusted: Hostname mismatch" in connection_error(
            kafka.mutual.replace("127.0.0.1", "localhost"), ours
        )

    def test_reports_that_the_broker_expects_another_protocol(self, kafka: SecureBroker) -> None:
        assert "it expects TLS (setting 'security.protocol')" in connection_error(kafka.mutual, Security())
        assert "over SSL" in connection_error(
            kafka.plaintext, Security(protocol="SSL", ca_file=kafka.folder / "ca.pem")
        )

    def test_a_worker_inspects_over_tls_without_revealing_its_password(
        self, kafka: SecureBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        line = Line.on(BrokerHandle("secure", kafka.plaintext, 6000))
        line.send([encode_frame(0.9), b"no image"])
        monkeypatch.setenv("STRIPWATCH_SECURITY__PASSWORD", PASSWORD)
        pairs = {"protocol": "SASL_SSL", "mechanism": "SCRAM-SHA-512", "username": USER}
        settings = [f"security.{name}={value}" for name, value in pairs.items()]
        settings += [f"security.ca_file={kafka.folder / 'ca.pem'}", "log.level=debug"]
        flags = [part for setting in settings for part in ("--set", setting)]
        bundle = write_bundle(tmp_path / "tiny.onnx")
        with running_worker(line, bundle, "g", "--bootstrap-servers", kafka.sasl, *flags) as worker:
            worker.await_ready()
            assert PASSWORD not in " ".join(worker.process.args)  # type: ignore[arg-type]
            assert (len(line.read("results", 1)), len(line.read("rejects", 1))) == (1, 1)
            assert worker.stop() == 0
        log = json.dumps(worker.lines)
        assert "'password': '**********'" in log or '"password": "**********"' in log
        assert PASSWORD not in log

    def test_a_command_never_reveals_the_password(self, kafka: SecureBroker, tmp_path: Path) -> None:
        """Checked at log level debug: create a topic, then try with a wrong password."""
        config = tmp_path / "kafka.toml"
        config.write_text(
            f'[security]\nprotocol = "SASL_SSL"\nmechanism = "PLAIN"\nusername = "{USER}"\n'
            f'ca_file = "{kafka.folder / "ca.pem"}"\n'
        )
        command = ["topics", "--bootstrap-servers", kafka.sasl, "--config", str(config)]
        made = run_cli(*command, STRIPWATCH_SECURITY__PASSWORD=PASSWORD, STRIPWATCH_LOG__LEVEL="debug")
        assert (made.returncode, PASSWORD in made.stdout + made.stderr) == (0, False), made.stderr
        refused = run_cli(*command, STRIPWATCH_SECURITY__PASSWORD="hunter2")
        assert (refused.returncode, "hunter2" in refused.stderr) == (4, False)
        assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"protocol": "SASL_SSL"}, "protocol SASL_SSL requires a mechanism"),
        ({"mechanism": "PLAIN", **NAMED}, "mechanism PLAIN requires protocol SASL_PLAINTEXT or SASL_SSL"),
        ({"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "a"}, "require username and either password"),
        ({"protocol": "SASL_SSL", "mechanism": "OAUTHBEARER"}, "OAUTHBEARER requires token_file"),
        ({"username": "a"}, "other mechanisms accept none of them"),
        ({"ca_file": "ca.pem"}, "does not use certificates"),
        ({"protocol": "SSL", "key_file": "a"}, "require certificate_file"),
        ({"protocol": "SASL_SSL", "mechanism": "PLAIN", **NAMED, "password_file": "a"}, "both password and"),
    ],
)
def test_rejects_inconsistent_settings(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Security.model_validate(given)


def test_settings_never_reveal_the_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRIPWATCH_SECURITY__PASSWORD", PASSWORD)
    flags = {"security": {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "a"}}
    settings = load_settings(None, flags)
    shown = f"{settings} {settings!r} {settings.model_dump(mode='json')} {settings.model_dump_json()}"
    assert "'password': '**********'" in shown
    assert PASSWORD not in shown
    assert client_options(settings.security)["sasl_plain_password"] == PASSWORD
    with pytest.raises(SettingsError) as error:  # pydantic's own message would contain the whole input
        load_settings(None, {"security": {"protocol": "SASL_SSL"}})
    assert PASSWORD not in str(error.value)
    config = tmp_path / "worker.toml"
    config.write_text("[security]\npassword = 314159\n")
    monkeypatch.delenv("STRIPWATCH_SECURITY__PASSWORD")
    with pytest.raises(SettingsError, match=r"'security\.password'") as error:
        load_settings(config, {})
    assert "314159" not in str(error.value)


def test_rejects_a_password_as_a_flag() -> None:
    done = run_cli("run", "--set", "security.password=hunter2")
    assert (done.returncode, "hunter2" in done.stderr) == (2, False)
    assert "'security.password' cannot be a flag" in done.stderr
    assert "security.password" not in run_cli("run", "--help").stdout


def test_names_security_files_that_are_missing_or_invalid(certificates: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read nowhere\.pem, named by 'security\.ca_file'"):
        client_options(Security(protocol="SSL", ca_file=Path("nowhere.pem")))
    with pytest.raises(SettingsError, match=r"security\.ca_file.*cannot be used"):
        client_options(Security(protocol="SSL", ca_file=Path(__file__)))
    ours, other_key = certificates / "client.pem", certificates / "other.key"
    with pytest.raises(SettingsError, match="key values mismatch"):
        client_options(Security(protocol="SSL", certificate_file=ours, key_file=other_key))
    empty = tmp_path / "empty"
    empty.touch(mode=stat.S_IRUSR)
    with pytest.raises(InputError, match=r"named by 'security\.password_file', is empty"):
        client_options(Security(protocol="SASL_SSL", mechanism="PLAIN", username="a", password_file=empty))
    with pytest.raises(InputError, match=r"cannot read nowhere, named by 'security\.token_file'"):
        client_options(Security(protocol="SASL_SSL", mechanism="OAUTHBEARER", token_file=Path("nowhere")))
    with pytest.raises(InputError, match=r"cannot read nowhere, named by 'security\.key_password_file'"):
        client_options(Security(protocol="SSL", certificate_file=ours, key_password_file=Path("nowhere")))


def test_strips_only_the_line_end_of_a_password_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" pass word \n")
    security = Security(protocol="SASL_SSL", mechanism="SCRAM-SHA-256", username="a", password_file=file)
    assert client_options(security)["sasl_plain_password"] == " pass word "
