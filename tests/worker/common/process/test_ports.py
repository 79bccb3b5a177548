import socket

from stripwatch.worker.common.process.ports import free_port, free_ports, is_free


def test_a_port_in_use_is_not_free() -> None:
    assert is_free(free_port())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not is_free(taken.getsockname()[1])


def test_returns_distinct_ports() -> None:
    assert len(set(free_ports(50))) == 50
