"""Survey of a data set: class balance, image sizes, duplicates, unreadable files, and findings of all checks."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from stripwatch.export.runs.run_folder import FitTask
from stripwatch.training.annotations.reading import AnnotationSet, has_annotations, read_annotations
from stripwatch.training.datasets.dataset import AUTO, CLEAN, DataSet, for_task, read_dataset
from stripwatch.training.datasets.formats.problems import ProblemsError
from stripwatch.training.datasets.samples import Sample
from stripwatch.training.findings.checked_data import CheckedData
from stripwatch.training.findings.checks import by_level, check_data
from stripwatch.training.findings.duplicates import check_fixed_split
from stripwatch.training.findings.leaks_to_test import check_test_folder
from stripwatch.training.findings.splits import check_usual_split, check_validation
from stripwatch.training.preparation.digests import FrameDigest
from stripwatch.training.preparation.finding import Finding, make_finding
from stripwatch.training.preparation.frame_errors import find_errors
from stripwatch.training.preparation.frame_set import FrameSet, read_frame_set
from stripwatch.training.preparation.sample_depths import (
    DepthGroup,
    SampleDepth,
    group_depths,
    suggested_bit_depth,
)
from stripwatch.training.preparation.split_file import read_split
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.common.terminal.file_counts import FileCounts
from stripwatch.worker.contracts.model.clean_labels import likely_clean
from stripwatch.worker.images.decode_spec import DecodeSpec

COMPARED_SIZE = DecodeSpec(256, 256)  # duplicates are compared at this size
_SEED = 0  # of fit


@dataclass(frozen=True, slots=True)
class SurveySettings:
    """Settings of a survey; the fields are the options of `stripwatch train survey`.

    clean_label: None selects a class that is named like clean strip, if there is one. split: run.json whose split is
    checked for leaks. test: folder of test images that are checked for leaks. task: None selects multilabel if an image
    has several labels, else multiclass.
    """

    data: Path
    layout: str = AUTO
    merge_labels: bool = False
    boxes: Path | None = None
    boxes_format: str = AUTO
    bit_depth: int | None = None
    clean_label: str | None = None
    val_share: float = 0.2
    split: Path | None = None
    test: Path | None = None
    task: FitTask | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """Result of a survey.

    samples: readable images. sizes: number of images by "WIDTHxHEIGHT". same, similar: pairs of file names with
    identical and nearly identical pixels. unreadable: one error message per unreadable file. digests: of each image, in
    the order of samples. annotations: None if none were given or they cannot be used. findings: errors first.
    clean_label: the label that means "no defect", or None. problems: sentences about annotations that cannot be used.
    """

    dataset: DataSet
    samples: list[Sample]
    sizes: dict[str, int]
    same: list[tuple[str, str]]
    similar: list[tuple[str, str]]
    unreadable: list[str]
    digests: list[FrameDigest]
    annotations: AnnotationSet | None = None
    findings: list[Finding] = field(default_factory=list)
    clean_label: str | None = None
    problems: tuple[str, ...] = ()

    @property
    def depths(self) -> list[SampleDepth]:
        """Return the bit depth of each file, in the order of samples."""
        return [digest.depth for digest in self.digests]

    @property
    def depth_groups(self) -> list[DepthGroup]:
        """Return the bit depths of the data set, grouped."""
        return group_depths([sample.name for sample in self.samples], self.depths)

    @property
    def bit_depth(self) -> int | None:
        """Return the --bit-depth that fit needs, or None if it needs none."""
        return suggested_bit_depth(self.depths)

    @property
    def balance(self) -> dict[str, int]:
        """Return the number of images per label.

        Images without a label count as "clean"; images with two labels count twice.
        """
        counts = Counter(label for sample in self.samples for label in sample.labels or (CLEAN,))
        return dict(sorted(counts.items()))

    @property
    def files(self) -> FileCounts:
        """Return how many files are used, and which are not, by reason."""
        readable = {sample.name for sample in self.samples}
        return self.dataset.count([each.name for each in self.dataset.samples if each.name not in readable])

    @property
    def warnings(self) -> list[str]:
        """Return the texts of the findings that are warnings."""
        return [f"warning: {finding.text}" for finding in self.findings if finding.level == "warning"]

    @property
    def disputed(self) -> list[tuple[str, str]]:
        """Return the pairs of duplicates whose labels differ."""
        labels = {sample.name: sample.labels for sample in self.samples}
        return [(a, b) for a, b in self.same + self.similar if labels[a] != labels[b]]


def survey(
    root: Path, layout: str = AUTO, merge_labels: bool = False, boxes: Path | None = None, boxes_format: str = AUTO
) -> Survey:
    """Survey a data set with the default settings. See `run_survey`."""
    return run_survey(SurveySettings(root, layout, merge_labels, boxes, boxes_format))


def run_survey(settings: SurveySettings) -> Survey:
    """Read every image of a data set once and report on it.

    Unreadable files and unusable annotations are part of the result. Raises what read_dataset raises, InputError if
    a path in the settings is missing, and DataError if no image is readable.
    """
    one_class = settings.task == "anomaly"
    dataset = read_dataset(settings.data, settings.layout, merge_labels=settings.merge_labels, one_class=one_class)
    annotations, unusable = _annotations(settings, dataset)
    read = [settings.boxes] if annotations is None and settings.boxes else annotations.files if annotations else ()
    dataset = dataset.with_annotations(read)
    spec = msgspec.structs.replace(COMPARED_SIZE, bit_depth=settings.bit_depth)
    with new_progress() as progress:
        task = progress.add_task("reading", total=len(dataset.samples))
        frames = read_frame_set(dataset, spec, lambda: progress.advance(task))
        if not frames.samples:
            raise DataError(
                f"{settings.data}: none of the {len(frames.errors)} images can be read; the first error is: "
                f"{frames.errors[0]}"
            )
        usual = likely_clean(dataset.labels)
        clean_label = settings.clean_label or (usual[0] if usual else None)
        checked, impossible = _as_fit_reads(frames, settings.task, clean_label, annotations)
        findings = [*_unusable(unusable), *impossible, *find_errors(checked.frames, spec), *check_data(checked)]
        findings += _check_split(settings, checked)
        if settings.test is not None:
            findings += check_test_folder(frames, settings.test, spec, progress)
    return Survey(
        dataset=dataset,
        samples=frames.samples,
        sizes=dict(Counter(f"{each.width_px}x{each.height_px}" for each in frames.digests).most_common()),
        same=_names(frames, frames.same),
        similar=_names(frames, frames.similar),
        unreadable=[str(error) for error in frames.errors],
        digests=frames.digests,
        annotations=annotations,
        findings=by_level(findings),
        clean_label=clean_label or checked.clean_label,
        problems=unusable.problems if isinstance(unusable, ProblemsError) else (),
    )


def _annotations(settings: SurveySettings, dataset: DataSet) -> tuple[AnnotationSet | None, DataError | None]:
    """Return the annotations, or the error that says what is wrong with them."""
    if settings.boxes is None and not has_annotations(dataset):
        return None, None
    try:
        return read_annotations(dataset, settings.boxes, settings.boxes_format), None
    except DataError as error:
        return None, error


def _unusable(error: DataError | None) -> list[Finding]:
    return [] if error is None else [make_finding("unusable-annotations", str(error), remedy="")]


def _as_fit_reads(
    frames: FrameSet, wanted: FitTask | None, clean_label: str | None, annotations: AnnotationSet | None
) -> tuple[CheckedData, list[Finding]]:
    """Return the data with the labels that `fit` uses, and a finding if it cannot use them."""
    several = any(len(sample.labels) > 1 for sample in frames.samples)
    task = wanted or ("multilabel" if several else "multiclass")
    try:
        dataset, fitted_label = for_task(frames.dataset, task, clean_label)
    except DataError as error:
        return CheckedData(frames, task, clean_label, annotations), [make_finding("unusable-labels", str(error))]
    labels = {sample.name: sample for sample in dataset.samples}
    samples = [labels[sample.name] for sample in frames.samples]
    found = CheckedData(replace(frames, dataset=dataset, samples=samples), task, fitted_label, annotations)
    return found, []


def _check_split(settings: SurveySettings, data: CheckedData) -> Iterator[Finding]:
    if data.task == "anomaly":
        return
    if settings.split is None:
        yield from check_usual_split(data, settings.val_share, _SEED)
        return
    split = read_split(settings.split)
    yield from check_fixed_split(data, split)
    yield from check_validation(data, [frame.labels for frame in split.validation])


def _names(frames: FrameSet, pairs: list[tuple[int, int]]) -> list[tuple[str, str]]:
    return [(frames.samples[a].name, frames.samples[b].name) for a, b in pairs]
