"""Settings `security.*`: TLS and SASL for connections to Kafka."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from stripwatch.worker.config.sections import Section


class Security(Section):
    """Encryption and authentication of the connection to Kafka. `protocol` and `mechanism` use Kafka's names."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="Kafka security protocol. SSL encrypts the connection; SASL authenticates the client.",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file with the certificate authorities to trust. Unset: those of the system."
    )
    certificate_file: Path | None = Field(
        default=None, description="PEM file with the client certificate, for brokers that ask for one."
    )
    key_file: Path | None = Field(
        default=None,
        description="PEM file with the private key of the client certificate. Unset: the key is in certificate_file.",
    )
    key_password_file: Path | None = Field(
        default=None, description="File with the password of the private key, if the key is encrypted."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        default=None, description="SASL mechanism that authenticates the client."
    )
    username: str | None = Field(default=None, min_length=1, description="User name for PLAIN and SCRAM.")
    password: SecretStr | None = Field(
        default=None,
        description="Password of the user, from the environment or the TOML file. Not accepted as a flag, because "
        "other users can see flags in the process list.",
    )
    password_file: Path | None = Field(
        default=None, description="File with the password of the user; replaces password."
    )
    token_file: Path | None = Field(
        default=None,
        description="File with the OAUTHBEARER token. It is read again for every connection, so the token may be "
        "renewed.",
    )

    @property
    def encrypted(self) -> bool:
        return self.protocol.endswith("SSL")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Reject settings that are incomplete, or that would be ignored. The error names all of them."""
        if problems := [*self._tls_problems(), *self._login_problems()]:
            raise ValueError("; ".join(problems))
        return self

    def _tls_problems(self) -> Iterator[str]:
        if not self.encrypted and (self.ca_file or self.certificate_file):
            yield (
                f"protocol {self.protocol} does not use certificates; use SSL or SASL_SSL, "
                "or remove ca_file and certificate_file"
            )
        if not self.certificate_file and (self.key_file or self.key_password_file):
            yield "key_file and key_password_file require certificate_file"

    def _login_problems(self) -> Iterator[str]:
        if self.protocol.startswith("SASL") and self.mechanism is None:
            yield f"protocol {self.protocol} requires a mechanism"
        if self.mechanism is not None and not self.protocol.startswith("SASL"):
            yield f"mechanism {self.mechanism} requires protocol SASL_PLAINTEXT or SASL_SSL"
        if self.password and self.password_file:
            yield "both password and password_file are set; remove one"
        by_password = self.mechanism is not None and self.mechanism != "OAUTHBEARER"
        proof = [self.username, self.password or self.password_file]
        if not all(proof) if by_password else any(proof):
            yield (
                "the mechanisms PLAIN and SCRAM require username and either password or password_file; "
                "other mechanisms accept none of them"
            )
        if (self.mechanism == "OAUTHBEARER") != (self.token_file is not None):
            yield "the mechanism OAUTHBEARER requires token_file; other mechanisms do not accept it"


PLAINTEXT = Security()
