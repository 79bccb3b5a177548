"""From scores to a verdict: two thresholds a label make clean, unsure or defect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.sections import ThresholdOverride
from stripwatch.worker.contracts.events import Verdict
from stripwatch.worker.model.bundle import Manifest, Threshold

_TINY = 1e-7  # float32 scores saturate at 0 and 1


@dataclass(frozen=True, slots=True)
class Decision:
    """label: the best one, which may mean "no defect". scores: calibrated, in the order of the labels.

    defects: the positions of the labels that are taken as a fact, best first.
    """

    verdict: Verdict
    label: str
    score: float
    scores: tuple[float, ...]
    defects: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """The labels of a bundle, the thresholds in force, and the temperature that its scores are calibrated with."""

    labels: tuple[str, ...]
    clean_label: str | None
    single_label: bool
    thresholds: tuple[Threshold, ...]
    overridden: bool
    temperature: float = 1.0

    def decide(self, raw_scores: Sequence[float]) -> Decision:
        """Judge the scores of one frame. raw_scores: of the model, in the order of the labels.

        A defect: a defect label reaches its `sure`; where labels exclude each other only the best one counts.
        Clean: no defect label reaches its `unsure`, and the clean label, where there is one, is best and `sure`; where
        labels exclude each other and none means clean, never. Anything else is unsure.
        """
        scores = calibrate(raw_scores, self.temperature, self.single_label)
        best = max(range(len(scores)), key=scores.__getitem__)
        defects = sorted(((scores[i], i) for i in self._candidates(best) if self._sure(i, scores)), reverse=True)
        return Decision(
            verdict="defect" if defects else "clean" if self._is_clean(best, scores) else "unsure",
            label=self.labels[best],
            score=scores[best],
            scores=scores,
            defects=tuple(i for _, i in defects),
        )

    def _candidates(self, best: int) -> list[int]:
        indices = [best] if self.single_label else range(len(self.labels))
        return [i for i in indices if self.labels[i] != self.clean_label]

    def _sure(self, i: int, scores: Sequence[float]) -> bool:
        return scores[i] >= self.thresholds[i].sure

    def _is_clean(self, best: int, scores: Sequence[float]) -> bool:
        if self.clean_label is None:
            no_defect = not self.single_label
        else:
            no_defect = self.labels[best] == self.clean_label and self._sure(best, scores)
        return no_defect and not any(
            scores[i] >= self.thresholds[i].unsure for i, label in enumerate(self.labels) if label != self.clean_label
        )


def calibrate(scores: Sequence[float], temperature: float, single_label: bool) -> tuple[float, ...]:
    """The scores that a model would give with its logits divided by temperature (Guo et al. 2017).

    The logits of a softmax are the logarithms of its scores, but for a constant that falls out.
    """
    if temperature == 1:
        return tuple(scores)
    powers = [max(score, _TINY) ** (1 / temperature) for score in scores]
    if single_label:
        total = sum(powers)
        return tuple(power / total for power in powers)
    opposite = [max(1 - score, _TINY) ** (1 / temperature) for score in scores]
    return tuple(power / (power + other) for power, other in zip(powers, opposite, strict=True))


def decision_policy(manifest: Manifest, overrides: Mapping[str, ThresholdOverride]) -> DecisionPolicy:
    """Thresholds of the bundle, with those of the settings over them. Raises SettingsError for an unknown label."""
    for label in overrides:
        if label not in manifest.labels:
            raise SettingsError(f"setting 'thresholds.{label}': the bundle has no such label, only {manifest.labels}")
    return DecisionPolicy(
        labels=tuple(manifest.labels),
        clean_label=manifest.clean_label,
        single_label=manifest.task == "multiclass",
        thresholds=tuple(_threshold(manifest.thresholds[label], overrides.get(label)) for label in manifest.labels),
        overridden=bool(overrides),
        temperature=manifest.temperature,
    )


def _threshold(stated: Threshold, override: ThresholdOverride | None) -> Threshold:
    if override is None:
        return stated
    unsure = min(stated.unsure, override.sure) if override.unsure is None else override.unsure
    return Threshold(sure=override.sure, unsure=unsure)
