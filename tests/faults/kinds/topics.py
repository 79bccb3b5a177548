"""Faults of the frames topic: it is recreated, or gains a partition."""

from tests.faults.kinds.fault import REBALANCE_S, Blow, Course, Fault, Scene, every_partition

_GONE_S = 0.65  # seconds between deletion and creation
_BACKLOG_FRAMES = 40
NOTICE_S_MAX = 10.0  # time limit to notice a new partition or a recreated topic


def _recreate(scene: Scene, blow: Blow) -> Course:
    """Recreate the topic under load. In half of the cases the workers are paused and resume with the new topic."""
    asleep = blow.choice < 0.5
    awake = [worker.number for worker in scene.crew.workers if worker.fit] if asleep else []
    for number in awake:
        scene.crew.pause(number)
    scene.sender.send_more(_BACKLOG_FRAMES)
    scene.sender.recreate_topic(lambda: scene.watcher.settled, _GONE_S)
    scene.sender.send_more(_BACKLOG_FRAMES)
    for number in awake:
        scene.crew.go_on(number)
    return Course(victims=every_partition(scene))


def _add_partition(scene: Scene, blow: Blow) -> Course:
    scene.sender.add_partition()
    scene.sender.send_more(_BACKLOG_FRAMES)
    return Course(victims=frozenset({scene.sender.partitions - 1}))


_NEEDS = frozenset({"broker"})
FAULTS = (
    Fault("recreate the frames topic", _recreate, _NEEDS, victims_s=NOTICE_S_MAX),
    Fault("add a partition", _add_partition, _NEEDS, healthy_s=REBALANCE_S, victims_s=NOTICE_S_MAX),
)
