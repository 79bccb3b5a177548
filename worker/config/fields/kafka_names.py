"""Addresses of brokers and names of topics, checked by Kafka's rules before a client is opened."""

import re
from typing import Annotated

from pydantic import AfterValidator

_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/,\[\]]+):(\d{1,5})")
_PORT_MAX = 65535
_TOPIC_CHARACTERS_MAX = 249  # Kafka appends the partition to it, and a file name has at most 255 characters
_TOPIC = re.compile(r"[A-Za-z0-9._-]+")


def split_servers(text: str) -> list[str]:
    """Return the addresses in HOST:PORT[,HOST:PORT...]. Raises ValueError that states what they must be."""
    servers = [server.strip() for server in text.split(",")]
    for server in servers:
        found = _SERVER.fullmatch(server)
        if found is None or not 0 < int(found[2]) <= _PORT_MAX:
            raise ValueError(f"must be HOST:PORT[,HOST:PORT...]; {server!r} is not HOST:PORT{_server_hint(server)}")
    return servers


def check_topic(name: str) -> str:
    """Return the name of a topic. Raises ValueError if Kafka does not accept it."""
    legal = _TOPIC.fullmatch(name) and name not in (".", "..")
    if not legal or len(name) > _TOPIC_CHARACTERS_MAX:
        raise ValueError(
            f"must be a topic name: 1 to {_TOPIC_CHARACTERS_MAX} letters, digits, '.', '_' and '-', and not '.' or '..'"
        )
    return name


def _check_servers(text: str) -> str:
    split_servers(text)
    return text


def _server_hint(server: str) -> str:
    if "://" in server:
        return "; leave out the protocol"
    if server.count(":") > 1 and "[" not in server:
        return "; write an IPv6 address in brackets, as in [::1]:9092"
    if ":" not in server:
        return f"; add the port, as in {server or 'kafka'}:9092"
    return ""


BootstrapServersText = Annotated[str, AfterValidator(_check_servers)]
