"""Faults of the model: it is replaced by another or by an invalid bundle."""

from tests.faults.kinds.fault import Blow, Course, Fault, Scene
from tests.faults.models import place


def _swap(scene: Scene, blow: Blow) -> Course:
    good = list(scene.models.good.values())
    scene.swaps += 1
    scene.good = good[scene.swaps % len(good)]
    place(scene.bundle, scene.good)
    return Course(victims=frozenset())


def _place_bad(scene: Scene, blow: Blow) -> Course:
    def heal() -> None:
        place(scene.bundle, scene.good)
        scene.crew.place_bad_model(False)

    scene.crew.place_bad_model(True)
    place(scene.bundle, scene.models.bad[int(blow.choice * len(scene.models.bad))])
    return Course(blow.lasts_s, heal, victims=frozenset())


_MODEL = frozenset({"model"})
FAULTS = (
    Fault("replace the model", _swap, needs=_MODEL),
    Fault("replace it by a bad one", _place_bad, needs=_MODEL),
)
