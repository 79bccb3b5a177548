"""Several workers at one address."""

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
from stripwatch.worker.monitoring.metrics import Metrics, connections_closed
from stripwatch.worker.monitoring.worker_scrape import MultiprocessMetrics, all_alive, all_ready
from tests.waiting import wait_until

HUNG = 5  # asked one after the other with two seconds each, they would take ten
POD_MONITOR_S = 4.0
SCRAPE_S_MAX, PROBE_S_MAX = worker_scrape.SCRAPE_S_MAX, worker_scrape.PROBE_S_MAX


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take its time to answer. Tests in which somebody never answers take `short`."""
    for name in ("SCRAPE_S_MAX", "PROBE_S_MAX"):
        monkeypatch.setattr(worker_scrape, name, 30.0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits as they are."""
    monkeypatch.setattr(worker_scrape, "SCRAPE_S_MAX", SCRAPE_S_MAX)
    monkeypatch.setattr(worker_scrape, "PROBE_S_MAX", PROBE_S_MAX)


@pytest.fixture
def workers() -> Iterator[list[HealthServer]]:
    """Two that answer, each with a GPU; the second is not ready; the first has done 3 results, the second 4."""
    servers = []
    for device_id, done, ready in ((0, 3, True), (1, 4, False)):
        metrics = Metrics(CollectorRegistry())
        metrics.show_device("CUDAExecutionProvider", device_id)
        metrics.results.labels("clean").inc(done)
        servers.append(HealthServer(MetricsSettings(port=0), metrics.registry, lambda ready=ready: {"it": ready}))  # type: ignore[misc]
    yield servers
    for server in servers:
        server.close()


def test_each_sample_names_its_process(workers: list[HealthServer]) -> None:
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


def test_the_connections_that_the_supervisor_closed_are_one_family_with_its_workers(
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
    assert again.count(f'{name}{{process="0",reason="timeout"}}') == 1, "a scrape leaves nothing behind"


def test_the_gpu_of_each_process_shows(workers: list[HealthServer]) -> None:
    registry = CollectorRegistry()
    registry.register(MultiprocessMetrics([server.port for server in workers]))
    for number in ("0", "1"):
        labels = {"provider": "CUDAExecutionProvider", "device_id": number, "process": number}
        assert registry.get_sample_value("stripwatch_device_info", labels) == 1


def test_all_are_asked_whether_they_are_ready(workers: list[HealthServer]) -> None:
    assert all_ready([server.port for server in workers]) == {"process_0": True, "process_1": False}


def test_one_that_does_not_answer_is_not_ready_and_hides_no_other(workers: list[HealthServer]) -> None:
    registry = CollectorRegistry()
    registry.register(MultiprocessMetrics([1, workers[0].port]))
    assert 'stripwatch_results_total{process="1",verdict="clean"} 3.0' in generate_latest(registry).decode()
    assert all_ready([1]) == {"process_0": False}
    assert all_alive([1, workers[0].port]) == [False, True]


@contextmanager
def descriptors_free(count: int) -> Iterator[None]:
    """Limit how many files this process can open."""
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
def test_no_file_descriptor_left_is_no_answer(workers: list[HealthServer], free: int) -> None:
    """It used to end the thread that asks, and the supervisor with it."""
    ports = [server.port for server in workers]
    with descriptors_free(free):
        alive, ready = all_alive(ports), all_ready(ports)
    assert (alive, ready) == ([False, False], {"process_0": False, "process_1": False})
    assert all_alive(ports) == [True, True]


def scrape(ports: list[int]) -> CollectorRegistry:
    """What a supervisor of these workers shows, read once."""
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
    """Processes with a health port each, and two metrics; their ports and ids."""
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
            stack.callback(process.kill)  # also ends one that is stopped
        yield [int(process.stdout.readline()) for process in started if process.stdout], [p.pid for p in started]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("hung", [1, 2])
def test_processes_that_hang_show_and_hide_no_other(hung: int) -> None:
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
    """Ports at which the kernel takes connections, as of a process that hangs."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        yield [listener.getsockname()[1] for listener in listeners]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("ask", [scrape, all_ready, all_alive])
def test_many_that_hang_take_no_longer_than_one(
    workers: list[HealthServer], ask: Callable[[list[int]], object]
) -> None:
    with silent(HUNG) as ports:
        began_s = time.monotonic()
        ask([*ports, workers[0].port])
        assert time.monotonic() - began_s < POD_MONITOR_S
        wait_until(lambda: up(scrape([*ports, workers[0].port]), HUNG + 1) == [*[0] * HUNG, 1])


def test_all_are_asked_at_the_same_time() -> None:
    """Each answers only once all were asked."""
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
    """A port at which something answers so, once."""
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
    """A byte now and then, until the other side has left."""
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
def test_an_answer_that_cannot_be_read_hides_no_other_worker(
    workers: list[HealthServer], answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_scrape, "SCRAPE_S_MAX", 5.0)
    with answering(answer) as port:
        read = scrape([port, workers[0].port])
    assert up(read, 2) == [0, 1]
    assert read.get_sample_value("stripwatch_results_total", {"process": "1", "verdict": "clean"}) == 3


def test_an_answer_that_is_no_json_is_not_ready() -> None:
    with answering(lambda c: c.sendall(b"HTTP/1.0 200 OK\r\n\r\n[]")) as port:
        assert all_ready([port]) == {"process_0": False}
