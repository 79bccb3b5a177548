"""Listening TCP sockets, with error messages that state the cause."""

import errno
import socket

from stripwatch.worker.common.errors import SettingsError

_WHY = {
    errno.EADDRINUSE: "another process uses the port",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "ports below 1024 require root or the capability CAP_NET_BIND_SERVICE",
    errno.EAFNOSUPPORT: "this machine has no IPv6",
}


def open_listener(host: str, port: int, backlog: int, named: str) -> socket.socket:
    """Listen on an address of this machine.

    Args:
        host: Address or host name. A host name with IPv4 and IPv6 addresses means its IPv4 address. "::" also accepts
            IPv4 clients, regardless of the default of the machine.
        port: Port; 0 for any free port.
        backlog: Maximum number of connections that wait to be accepted.
        named: Settings or options that contain host and port, for errors.

    Raises:
        SettingsError: The address cannot be used. The message states the cause.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"cannot listen on {named}: the host name {host!r} does not resolve on this machine"
        ) from error
    family, *_, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    try:
        listener = socket.socket(family)
    except OSError as error:
        raise _refusal(named, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise _refusal(named, error) from error
    return listener


def _refusal(named: str, error: OSError) -> SettingsError:
    return SettingsError(f"cannot listen on {named}: {_WHY.get(error.errno or 0, error.strerror)}")
