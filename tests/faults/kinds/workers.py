"""Faults of a worker's process and clock."""

from tests.faults.kinds.fault import REBALANCE_S, SESSION_S, Blow, Course, Fault, Scene

DAY_S = 86_400.0


def _kill(scene: Scene, blow: Blow) -> Course:
    scene.crew.kill(blow.worker)
    return Course()


def _terminate(scene: Scene, blow: Blow) -> Course:
    scene.crew.terminate(blow.worker)
    return Course()


def _pause(scene: Scene, blow: Blow) -> Course:
    scene.crew.pause(blow.worker)
    return Course(SESSION_S + blow.lasts_s, lambda: scene.crew.go_on(blow.worker))


def _kill_process(scene: Scene, blow: Blow) -> Course:
    """Kill one of several processes under a supervisor, which restarts it."""
    return Course(victims=scene.crew.kill_process(blow.worker, blow.choice))


def _shift_clock(scene: Scene, blow: Blow) -> Course:
    """Set the clock a day ahead, where Kafka rejects the records, or a day back, where it accepts them."""
    scene.crew.shift_clock(blow.worker, DAY_S if blow.choice < 0.5 else -DAY_S)
    return Course(blow.lasts_s, lambda: scene.crew.shift_clock(blow.worker, 0.0))


FAULTS = (
    # Static member: the group does not rebalance, and the restarted worker gets its partitions at once.
    Fault("kill -9 a worker", _kill, leaves_open=True),
    Fault("SIGTERM a worker", _terminate, healthy_s=REBALANCE_S),
    Fault("SIGSTOP past the session timeout", _pause, healthy_s=SESSION_S + REBALANCE_S, leaves_open=True),
    Fault("kill -9 a supervised process", _kill_process, leaves_open=True, supervised=True),
    Fault("jump of a worker's clock", _shift_clock, victims_s=0.0),
)
