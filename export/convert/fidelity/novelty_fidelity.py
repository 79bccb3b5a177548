"""The novelty scores of an export: their deviation from Keras, and what the manifest states about them.

Differences are measured in standard deviations of the Keras scores (`spread`), because the scale of the score depends
on the detector.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.facts.detector_facts import NoveltyFacts
from stripwatch.worker.contracts.model.model_record import NoveltyFidelity, NoveltySpec
from stripwatch.worker.model.bundle import Precision

Floats = NDArray[np.float32]

# Largest difference of a golden frame, and smallest tolerance, both in standard deviations. A float32 graph differs
# from Keras by less than 0.001. The tolerance of a golden frame is at most twice its difference, so with half a
# standard deviation an int8 bundle still fails its self-test if the score no longer depends on the frame.
_GOLDEN_DIFFERENCE_MAX: dict[Precision, float] = {"fp32": 0.01, "fp16": 0.1, "int8": 0.5}
_TOLERANCE_MIN: dict[Precision, float] = {"fp32": 0.02, "fp16": 0.05, "int8": 0.1}


@dataclass(frozen=True, slots=True)
class NoveltyComparison:
    """Novelty scores of the validation frames by Keras and by a candidate, float32 [n], in the order of the frames."""

    facts: NoveltyFacts
    keras: Floats
    candidate: Floats
    precision: Precision

    @property
    def fidelity(self) -> NoveltyFidelity:
        """Compare the decisions and the scores."""
        novel, by_keras = self.candidate > self.facts.threshold, self.keras > self.facts.threshold
        return NoveltyFidelity(
            agreement=float((novel == by_keras).mean()),
            share=float(novel.mean()),
            keras_share=float(by_keras.mean()),
            difference=float(self._differences.max()),
        )

    @property
    def golden(self) -> NDArray[np.bool_]:
        """Return which frames can be golden frames, [n].

        Their scores are similar, and by more than the tolerance below the threshold, so that a device that rounds
        differently does not change the decision.
        """
        near = _GOLDEN_DIFFERENCE_MAX[self.precision]
        below = self.keras <= self.facts.threshold - 2 * near * spread(self.keras)
        return np.asarray(below & (self._differences <= near))

    def spec(self, golden: list[int]) -> NoveltySpec:
        """Return the part of the manifest. golden: positions of the golden frames."""
        difference = float(self._differences[golden].max())
        return NoveltySpec(
            threshold=self.facts.threshold,
            false_alarm_rate=self.facts.false_alarm_rate,
            method=self.facts.method,
            frames=self.facts.frames,
            tolerance=spread(self.keras) * max(_TOLERANCE_MIN[self.precision], 2 * difference),
            measured_share=self.fidelity.share,
        )

    @property
    def _differences(self) -> Floats:
        """Return the difference of each frame in standard deviations, [n]."""
        return np.asarray(np.abs(self.candidate - self.keras) / spread(self.keras), np.float32)


def spread(scores: Floats) -> float:
    """Return the standard deviation of most novelty scores, or their largest absolute value if they do not vary.

    Half the distance between the 16th and the 84th percentile is the standard deviation of a normal distribution, and
    a few novel frames do not change it.
    """
    low, high = np.quantile(scores, (0.16, 0.84))
    return float(high - low) / 2 or float(np.abs(scores).max()) or 1.0
