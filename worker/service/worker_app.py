"""The process around a worker, for `stripwatch run`: health port, instance name, signals."""

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from stripwatch.worker.broker.member_names import claimed_name
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.log_setup import log_suppressed
from stripwatch.worker.common.process.malloc import tune_malloc
from stripwatch.worker.common.process.threads import ShutdownLimit, dump_stacks_on_signal
from stripwatch.worker.common.signals import exit_on_signals, stop_on_signal
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.loading.open_model import load_model, require_bundle
from stripwatch.worker.monitoring.health import HealthServer
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.monitoring.readiness_log import ReadinessLog
from stripwatch.worker.monitoring.status_log import StatusLog
from stripwatch.worker.service.readiness import Readiness
from stripwatch.worker.service.worker import Worker

log = structlog.get_logger()


def run(settings: Settings, limit: ShutdownLimit | None = None) -> None:
    """Inspect frames until a signal. Raises the error that ended the worker.

    limit: ends the process if the stop takes too long; None if the process does not belong to the worker alone.
    """
    require_bundle(settings)
    tune_malloc()
    dump_stacks_on_signal()
    metrics = Metrics(CollectorRegistry(), settings.metrics.camera_labels_max)
    ProcessCollector(registry=metrics.registry)  # memory, open files, and the start time, which reveals a restart
    readiness = Readiness()
    metrics.watch(metrics.ready, lambda: float(readiness.holds()))
    health = HealthServer(settings.metrics, metrics.registry, readiness.checks, metrics.connections_closed)
    try:
        log.info("starting", metrics_port=health.port, bundle=str(settings.bundle))
        log.info("settings", **settings.model_dump(mode="json"))  # secrets are logged as asterisks
        status = StatusLog(metrics.registry.collect, settings.log.status_interval_s)
        with status, ReadinessLog(readiness.checks, readiness.paused), claimed_name(settings) as name:
            settings = settings.model_copy(update={"instance_id": name.text})
            # Do not assign the model to a variable: see model_reload.py.
            with exit_on_signals():
                readiness.worker = Worker(settings, readiness.verified(load_model(settings)), metrics, limit)
            clock = SystemClock()
            with stop_on_signal(clock.stop):
                readiness.worker.run(lambda: clock.stopped, readiness.holds)
    finally:
        health.close()
        log_suppressed()
