"""Turn scores into a verdict: clean, unsure or defect, by two thresholds per label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.observer_sections import NoveltySettings
from stripwatch.worker.config.plant_sections import ThresholdOverride
from stripwatch.worker.contracts.events import Verdict
from stripwatch.worker.model.bundle import Manifest, Threshold

BUNDLE_NOVELTY = NoveltySettings()  # the threshold of the bundle applies
_TINY = 1e-7  # float32 scores saturate at 0 and 1


@dataclass(frozen=True, slots=True)
class Decision:
    """Verdict for one frame.

    Attributes:
        verdict: "clean", "unsure" or "defect".
        label: The best label, which may mean "no defect".
        score: Score of the best label.
        scores: Calibrated scores in the order of the labels.
        defects: Indices of the defect labels that reach their `sure` threshold, best first.
    """

    verdict: Verdict
    label: str
    score: float
    scores: tuple[float, ...]
    defects: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """Labels of a bundle, the thresholds in use, and the temperature that calibrates the scores.

    novelty_threshold: novelty score above which a frame is novel; None if no frame is.
    """

    labels: tuple[str, ...]
    clean_label: str | None
    single_label: bool
    thresholds: tuple[Threshold, ...]
    overridden: bool
    temperature: float = 1.0
    novelty_threshold: float | None = None

    def is_novel(self, novelty: float | None) -> bool:
        """Return whether the novelty score of a frame is above the threshold; False if either is None."""
        return novelty is not None and self.novelty_threshold is not None and novelty > self.novelty_threshold

    def decide(self, raw_scores: Sequence[float]) -> Decision:
        """Decide the verdict of one frame.

        * defect: a defect label reaches its `sure` threshold. If labels exclude each other, only the best label counts.
        * clean: no defect label reaches its `unsure` threshold, and the clean label (if there is one) is the best label
          and reaches its `sure` threshold. If labels exclude each other and there is no clean label, no frame is clean.
        * unsure: everything else.

        raw_scores: scores of the model in the order of the labels, not calibrated.
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

    def suspected(self, decision: Decision) -> list[int]:
        """Return the indices of the best label and of the labels that reach their `unsure` threshold, best first.

        The label that means "no defect" is left out.
        """
        scores = decision.scores
        indices = [
            i
            for i, label in enumerate(self.labels)
            if label != self.clean_label and (label == decision.label or scores[i] >= self.thresholds[i].unsure)
        ]
        return sorted(indices, key=lambda i: -scores[i])

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
    """Return the scores that the model would give with its logits divided by the temperature (Guo et al. 2017).

    The logits of a softmax are the logarithms of its scores, up to a constant that cancels out.
    """
    if temperature == 1:
        return tuple(scores)
    powers = [max(score, _TINY) ** (1 / temperature) for score in scores]
    if single_label:
        total = sum(powers)
        return tuple(power / total for power in powers)
    opposite = [max(1 - score, _TINY) ** (1 / temperature) for score in scores]
    return tuple(power / (power + other) for power, other in zip(powers, opposite, strict=True))


def decision_policy(
    manifest: Manifest, overrides: Mapping[str, ThresholdOverride], novelty: NoveltySettings = BUNDLE_NOVELTY
) -> DecisionPolicy:
    """Apply overrides from the settings to the thresholds of the bundle. Raises SettingsError for an unknown label.

    novelty: has no effect on a bundle without a novelty score.
    """
    for label in overrides:
        if label not in manifest.labels:
            raise SettingsError(
                f"setting 'thresholds.{label}': the bundle has no such label; its labels are {manifest.labels}"
            )
    return DecisionPolicy(
        labels=tuple(manifest.labels),
        clean_label=manifest.clean_label,
        single_label=manifest.task == "multiclass",
        thresholds=tuple(_threshold(manifest.thresholds[label], overrides.get(label)) for label in manifest.labels),
        overridden=bool(overrides) or (manifest.novelty is not None and novelty != BUNDLE_NOVELTY),
        temperature=manifest.temperature,
        novelty_threshold=_novelty_threshold(manifest, novelty),
    )


def _novelty_threshold(manifest: Manifest, settings: NoveltySettings) -> float | None:
    if manifest.novelty is None or settings.verdict == "ignore":
        return None
    return manifest.novelty.threshold if settings.threshold is None else settings.threshold


def _threshold(stated: Threshold, override: ThresholdOverride | None) -> Threshold:
    if override is None:
        return stated
    unsure = min(stated.unsure, override.sure) if override.unsure is None else override.unsure
    return Threshold(sure=override.sure, unsure=unsure)
