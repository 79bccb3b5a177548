"""A listening TCP socket, or one sentence that says why there is none."""

import errno
import socket

from stripwatch.worker.common.errors import SettingsError

_WHY = {
    errno.EADDRINUSE: "another process uses the port",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "a port below 1024 needs a privilege",
    errno.EAFNOSUPPORT: "this machine has no IPv6",
}


def open_listener(host: str, port: int, backlog: int, named: str) -> socket.socket:
    """Listen on an address of this machine, or on that of a name: its IPv4 address where it has one.

    "::" takes IPv4 clients too, whatever the default of the machine is. named: the settings or options that say host
    and port. Raises SettingsError.
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
