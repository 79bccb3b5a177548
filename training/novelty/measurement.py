"""Results, plots and images of missed frames, from frames that novelty detectors have judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path

from stripwatch.export.results.novelty_results import NoveltyResults
from stripwatch.export.runs.run_folder import Run
from stripwatch.training.novelty.judged_frames import (
    JudgedFrames,
    LeftOut,
    detected_share,
    mean_of_detectors,
    unknown_frames,
)
from stripwatch.training.novelty.missed_sheet import UnknownGroup, draw_missed
from stripwatch.training.novelty.plots import draw_detection, draw_margins
from stripwatch.worker.common.path_text import path_text

_FRAMES_FEW = 20
_ALARMS_FRAMES_FEW = 100
PICTURES = {
    "novelty": "Novelty scores",
    "novelty_detection": "Detection of unknown frames",
    "novelty_missed_classes": "Missed frames of left-out classes",
    "novelty_missed_unknown": "Missed unknown frames",
}


@dataclass(frozen=True, slots=True)
class NoveltyMeasurement:
    """Frames judged by detectors that had not seen them.

    run: the run, or the first one of several with the same settings. root: data folder. thresholds: of the detectors of
    all runs. known: held-out frames. left_out: by class. unknown: by folder, as the user wrote it. test: other frames
    of known classes. leave_one_out: whether classes were left out.
    """

    run: Run
    root: Path
    thresholds: list[float]
    known: JudgedFrames
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)
    unknown: Mapping[Path, JudgedFrames] = field(default_factory=dict)
    test: JudgedFrames | None = None
    leave_one_out: bool = True

    @classmethod
    def pool(cls, folds: Sequence["NoveltyMeasurement"]) -> "NoveltyMeasurement":
        """Combine the folds of a cross-validation.

        Held-out frames and those of left-out classes are judged by one fold each. All folds judge each unknown image.
        """
        first = folds[0]
        labels = [label for label in first.run.labels if any(label in fold.left_out for fold in folds)]
        return cls(
            run=first.run,
            root=first.root,
            thresholds=[threshold for fold in folds for threshold in fold.thresholds],
            known=reduce(add, [fold.known for fold in folds]),
            left_out={
                label: reduce(add, [fold.left_out[label] for fold in folds if label in fold.left_out])
                for label in labels
            },
            unknown={folder: mean_of_detectors([fold.unknown[folder] for fold in folds]) for folder in first.unknown},
            leave_one_out=first.leave_one_out,
        )

    def results(self) -> NoveltyResults:
        """Return the figures. Raises ValueError if the run has no novelty detector."""
        if self.run.novelty is None:
            raise ValueError("the run has no novelty detector")
        clean = self.run.clean_label
        left_out = {label: found.result(label != clean) for label, found in self.left_out.items()}
        shares = [
            found.unknown.detected.share
            for found in left_out.values()
            if found.counted and found.unknown.detected.frames
        ]
        return NoveltyResults(
            thresholds=self.thresholds,
            false_alarm_rate=self.run.novelty.false_alarm_rate,
            false_alarms=detected_share(self.known),
            left_out=left_out,
            unknown={path_text(folder): unknown_frames(judged, self.known) for folder, judged in self.unknown.items()},
            notes=self._notes(),
            left_out_mean=sum(shares) / len(shares) if shares else None,
            left_out_min=min(shares, default=None),
            test_false_alarms=None if self.test is None else detected_share(self.test),
        )

    def pictures(self) -> dict[str, bytes]:
        """Return plots and contact sheets as PNG files, by names of PICTURES."""
        classes = [UnknownGroup(label, self.root, found.unknown) for label, found in self.left_out.items()]
        folders = [UnknownGroup(path_text(folder), folder, judged) for folder, judged in self.unknown.items()]
        unknown = {group.name: group.judged for group in (*classes, *folders)}
        known = {label: found.known for label, found in self.left_out.items()}
        drawn = {"novelty": draw_margins(self._groups(folders))}
        if unknown and self.run.novelty is not None:
            every = {name: known.get(name, self.known) for name in unknown}
            drawn["novelty_detection"] = draw_detection(every, unknown, self.run.novelty.false_alarm_rate)
        decode = self.run.decode
        sheets = {
            "novelty_missed_classes": draw_missed(classes, decode, "Left-out classes"),
            "novelty_missed_unknown": draw_missed(folders, decode, "Unknown images"),
        }
        return drawn | {name: sheet for name, sheet in sheets.items() if sheet is not None}

    def _groups(self, folders: Sequence[UnknownGroup]) -> dict[str, JudgedFrames]:
        groups = {"known, held out": self.known}
        left_out = [found.unknown for label, found in self.left_out.items() if label != self.run.clean_label]
        if left_out:
            groups["left-out classes"] = reduce(add, left_out)
        return groups | {group.name: group.judged for group in folders}

    def _notes(self) -> list[str]:
        """Return the limits of the figures, for people."""
        run, notes = self.run, []
        frames = len(self.known.frames)
        if frames < _ALARMS_FRAMES_FEW:
            notes.append(f"With {frames} held-out frames, the false-alarm rate is known only roughly.")
        if not self.leave_one_out:
            return notes
        if not run.configuration.frozen or run.configuration.fine_tune:
            notes.append(
                "The backbone was fitted on all classes, so it has seen the classes that were left out here. The "
                "shares of left-out classes are optimistic."
            )
        if run.clean_label in self.left_out:
            notes.append(f"Mean and minimum are those of the defect classes, without {run.clean_label!r}.")
        if len(run.labels) == len(self.left_out) == 2:
            notes.append(
                "Without one of the two classes, a single label remains, whose score is always 1. Only the distances "
                "of the detector can find the other class."
            )
        notes += self._few()
        return notes

    def _few(self) -> list[str]:
        missing = [label for label in self.run.labels if label not in self.left_out]
        counts = {label: len(found.unknown.frames) for label, found in self.left_out.items()}
        few = [f"{label} ({count})" for label, count in counts.items() if count < _FRAMES_FEW]
        notes = [f"Fewer than {_FRAMES_FEW} frames, so the share is uncertain: {', '.join(few)}."] if few else []
        if missing:
            notes.append(f"Not left out, because too few frames of other classes remain: {', '.join(missing)}.")
        return notes
