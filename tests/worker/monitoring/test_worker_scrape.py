"""Metrics and readiness of several workers at one address."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.monitoring import worker_scrape
from stripwatch.worker.monitoring.health import HealthServer
from stripwatch.worker.monitoring.health_metrics import connections_closed
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.monitoring.worker_scrape import MultiprocessMetrics, all_alive, all_ready
from tests.waiting import wait_until

HUNG = 5  # sequential requests of two seconds each would take ten
POD_MONITOR_S = 4.0
SCRAPE_S_MAX, PROBE_S_MAX = worker_scrape.SCRAPE_S_MAX, worker_scrape.PROBE_S_MAX


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Extend the time limits, because a busy machine may respond slowly. Tests with workers that never respond use
    `short`.
    """
    for name in ("SCRAPE_S_MAX", "PROBE_S_MAX"):
        monkeypatch.setattr(worker_scrape, name, 30.0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the real time limits."""
    monkeypatch.setattr(worker_scrape, "SCRAPE_S_MAX", SCRAPE_S_MAX)
    monkeypatch.setattr(worker_scrape, "PROBE_S_MAX", PROBE_S_MAX)


@pytest.fixture
def workers() -> Iterator[list[HealthServer]]:
    """Two workers that respond, each with a GPU. The second is not ready. They have published 3 and 4 results."""
    servers = []
    for device_id, done, ready in ((0, 3, True), (1, 4, False)):
        metrics = Metrics(CollectorRegistry())
        metrics.show_device("CUDAExecutionProvider", device_id)
        metrics.results.labels("clean").inc(done)
        servers.append(HealthServer(MetricsSettings(port=0), metrics.registry, lambda ready=ready: {"it": ready}))  # type: ignore[misc]
    yield servers
    for server in servers:
        server.close()


def test_labels_each_sample_with_its_process(workers: list[HealthServer]) -> None:
    registry = CollectorRegistry()
    registry.register(MultiprocessMetrics([server.port for server in workers]))
    text = generate_latest(registry).decode()
    results = {
        sample.labels["process"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "stripwatch_results_total" and sample.labels["verdict"] == "clean"
    }
    assert results == {"0": 3, "1": 4}
    assert text.count("# TYPE stripwatch_results_total counter") == 1


def test_merges_the_supervisors_closed_connections_with_those_of_its_workers(
    workers: list[HealthServer],
) -> None:
    closed, registry = connections_closed(None), CollectorRegistry()
    closed.labels("too_many").inc(3)
    registry.register(MultiprocessMetrics([server.port for server in workers], closed))
    name = "stripwatch_health_connections_closed_total"
    assert registry.get_sample_value(name, {"reason": "too_many"}) == 3
    assert registry.get_sample_value(name, {"reason": "too_many", "process": "1"}) == 0
    assert generate_latest(registry).decode().count(f"# TYPE {name} counter") == 1
    again = generate_latest(registry).decode()
    assert again.count(f'{name}{{process="0",reason="timeout"}}') == 1, "a scrape must keep no state"


def test_shows_the_gpu_of_each_process(workers: list[HealthServer]) -> None:
    registry = CollectorRegistry()
    registry.register(MultiprocessMetrics([server.port for server in workers]))
    for number in ("0", "1"):
        labels = {"provider": "CUDAExecutionProvider", "device_id": number, "process": number}
        assert registry.get_sample_value("stripwatch_device_info", labels) == 1


def test_reports_the_readiness_of_each_worker(workers: list[HealthServer]) -> None:
    assert all_ready([server.port for server in workers]) == {"process_0": True, "process_1": False}


def test_a_worker_that_does_not_respond_is_not_ready_and_hides_no_other(workers: list[HealthServer]) -> None:
    registry = CollectorRegistry()
    registry.register(MultiprocessMetrics([1, workers[0].port]))
    assert 'stripwatch_results_total{process="1",verdict="clean"} 3.0' in generate_latest(registry).decode()
    assert all_ready([1]) == {"process_0": False}
    assert all_alive([1, workers[0].port]) == [False, True]


@contextmanager
def descriptors_free(count: int) -> Iterator[None]:
    """Limit the number of files that this process can open."""
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(count + 1)]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(held), limits[1]))
    for each in held:
        os.close(each)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("free", [0, 1, 2])
def test_running_out_of_file_descriptors_counts_as_no_response(workers: list[HealthServer], free: int) -> None:
    """This used to end the thread that asks, and the supervisor with it."""
    ports = [server.port for server in workers]
    with descriptors_free(free):
        alive, ready = all_alive(ports), all_ready(ports)
    assert (alive, ready) == ([False, False], {"process_0": False, "process_1": False})
    assert all_alive(ports) == [True, True]


def scrape(ports: list[int]) -> CollectorRegistry:
    """Return what the supervisor of these workers exposes, read once."""
    registry, read = CollectorRegistry(), CollectorRegistry()
    registry.register(MultiprocessMetrics(ports))
    families = list(registry.collect())

    class Kept:
        def collect(self) -> Iterator[object]:
            return iter(families)

    read.register(Kept())  # type: ignore[arg-type]
    return read


def up(read: CollectorRegistry, processes: int) -> list[float | None]:
    return [read.get_sample_value("stripwatch_process_up", {"process": str(n)}) for n in range(processes)]


@contextmanager
def children(count: int) -> Iterator[tuple[list[int], list[int]]]:
    """Start processes with a health port and two metrics each; yield their ports and process ids."""
    code = (
        "import sys; from prometheus_client import CollectorRegistry; "
        "from stripwatch.worker.config.sections import MetricsSettings; "
        "from stripwatch.worker.monitoring.health import HealthServer; "
        "from stripwatch.worker.monitoring.metrics import Metrics; "
        "metrics = Metrics(CollectorRegistry()); "
        "server = HealthServer(MetricsSettings(port=0), metrics.registry, lambda: {'it': True}); "
        "print(server.port, flush=True); sys.stdin.read()"
    )
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(count)
        ]
        for process in started:
            stack.callback(process.kill)  # SIGKILL also ends a stopped process
        yield [int(process.stdout.readline()) for process in started if process.stdout], [p.pid for p in started]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("hung", [1, 2])
def test_hanging_processes_are_reported_and_hide_no_other(hung: int) -> None:
    with children(3) as (ports, pids):
        wait_until(lambda: up(scrape(ports), 3) == [1, 1, 1])
        for pid in pids[:hung]:
            os.kill(pid, signal.SIGSTOP)
        expected = [*[0] * hung, *[1] * (3 - hung)]
        wait_until(
            lambda: up(read := scrape(ports), 3) == expected and inflight(read) == [0 if n else None for n in expected]
        )
        for pid in pids[:hung]:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: up(scrape(ports), 3) == [1, 1, 1])


def inflight(read: CollectorRegistry) -> list[float | None]:
    return [read.get_sample_value("stripwatch_inflight_frames", {"process": str(n)}) for n in range(3)]


@contextmanager
def silent(count: int) -> Iterator[list[int]]:
    """Ports at which the kernel accepts connections but nothing responds, as with a process that hangs."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        yield [listener.getsockname()[1] for listener in listeners]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("ask", [scrape, all_ready, all_alive])
def test_many_hanging_workers_take_no_longer_than_one(
    workers: list[HealthServer], ask: Callable[[list[int]], object]
) -> None:
    with silent(HUNG) as ports:
        began_s = time.monotonic()
        ask([*ports, workers[0].port])
        assert time.monotonic() - began_s < POD_MONITOR_S
        wait_until(lambda: up(scrape([*ports, workers[0].port]), HUNG + 1) == [*[0] * HUNG, 1])


def test_queries_all_workers_concurrently() -> None:
    """Each worker responds only after all of them were queried."""
    together = threading.Barrier(3)
    with ExitStack() as stack:
        ports = []
        for _ in range(3):
            registry = CollectorRegistry()
            Gauge("asked", "", registry=registry).set_function(lambda: together.wait(30) * 0)
            server = HealthServer(MetricsSettings(port=0), registry, dict)
            stack.callback(server.close)
            ports.append(server.port)
        assert up(scrape(ports), 3) == [1, 1, 1]


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Open a port that sends this response once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30)


def drip(connection: socket.socket) -> None:
    """Send a byte from time to time until the client disconnects."""
    try:
        while True:
            connection.sendall(b"x")
            threading.Event().wait(0.05)
    except OSError:
        return


@pytest.mark.parametrize(
    "answer",
    [
        drip,
        lambda c: c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\nready 1\n"),
        lambda c: c.sendall(b"HTTP/1.0 200 OK\r\n\r\n# no metrics at all {\nready 1 2 3 x\n"),
        lambda c: c.sendall(b"HTTP/1.0 200 OK\r\n\r\n\xff"),
        lambda c: c.sendall(b"HTTP/1.0 500 Error\r\n\r\nready 1\n"),
        lambda c: None,
    ],
    ids=["slow", "cut", "no metrics", "no text", "error", "nothing"],
)
def test_an_invalid_response_hides_no_other_worker(
    workers: list[HealthServer], answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_scrape, "SCRAPE_S_MAX", 5.0)
    with answering(answer) as port:
        read = scrape([port, workers[0].port])
    assert up(read, 2) == [0, 1]
    assert read.get_sample_value("stripwatch_results_total", {"process": "1", "verdict": "clean"}) == 3


def test_a_response_that_is_not_json_is_not_ready() -> None:
    with answering(lambda c: c.sendall(b"HTTP/1.0 200 OK\r\n\r\n[]")) as port:
        assert all_ready([port]) == {"process_0": False}
