"""How Kafka proves itself to this project, and this project to Kafka: TLS and SASL, as kafka-python takes them."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class Security(BaseModel):
    """The settings `security.*`. The words of `protocol` and `mechanism` are Kafka's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to talk to Kafka. SSL: encrypted; SASL: with a name and proof."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities to trust. Without it those of the system."
    )
    certificate_file: Path | None = Field(
        default=None, description="PEM file of the certificate that Kafka may ask for."
    )
    key_file: Path | None = Field(
        default=None, description="PEM file of its key. Without it the key is in certificate_file."
    )
    key_password_file: Path | None = Field(
        default=None, description="File that holds the password of an encrypted key."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        default=None, description="SASL mechanism: how to prove the name."
    )
    username: str | None = Field(default=None, min_length=1, description="Name for PLAIN and SCRAM.")
    password: SecretStr | None = Field(
        default=None,
        description="Its password, from the environment or the TOML file; never a flag, which other users can see.",
    )
    password_file: Path | None = Field(default=None, description="File that holds the password, in place of it.")
    token_file: Path | None = Field(
        default=None,
        description="File that holds the OAUTHBEARER token. Read again for each connection, so it may be renewed.",
    )

    @property
    def encrypted(self) -> bool:
        return self.protocol.endswith("SSL")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """What is missing, and what would be passed over in silence, is named."""
        if not self.encrypted and (self.ca_file or self.certificate_file):
            raise ValueError(f"protocol {self.protocol} uses no certificates; SSL and SASL_SSL do")
        if not self.certificate_file and (self.key_file or self.key_password_file):
            raise ValueError("a key without certificate_file")
        if self.protocol.startswith("SASL") != (self.mechanism is not None):
            raise ValueError("a SASL protocol and a mechanism need each other")
        if self.password and self.password_file:
            raise ValueError("both password and password_file are set")
        by_password = self.mechanism is not None and self.mechanism != "OAUTHBEARER"
        proof = [self.username, self.password or self.password_file]
        if not all(proof) if by_password else any(proof):
            raise ValueError("PLAIN and SCRAM take a username with password or password_file; nothing else does")
        if (self.mechanism == "OAUTHBEARER") != (self.token_file is not None):
            raise ValueError("OAUTHBEARER takes token_file; nothing else does")
        return self


PLAINTEXT = Security()
