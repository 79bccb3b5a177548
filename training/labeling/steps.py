"""The steps of `stripwatch train collect`: fetch, hand over, take back and label."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from stripwatch.training.datasets.reviewed_folder import may_be_folder
from stripwatch.training.labeling.fetch import FetchSettings, fetch, fetch_advice
from stripwatch.training.labeling.handover.hand_over import Handover, hand_over
from stripwatch.training.labeling.sort_frames import accept_sorted, label_from
from stripwatch.training.labeling.take_back import take_back
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.facts import facts_of
from stripwatch.worker.common.terminal.file_counts import FileCounts, with_counts
from stripwatch.worker.common.terminal.outcome import Outcome, command_text

_EXPORT = Path("EXPORT.json")
_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Steps:
    """Options of the command. fetch: None unless brokers are given."""

    out: Path
    fetch: FetchSettings | None
    to: Literal["label-studio", "coco"] | None
    again: bool
    image_url: str
    back: Path | None
    sorted: bool
    labels: Path | None
    new_labels: bool
    no_defect: str
    only_novel: bool

    def check(self) -> None:
        """Raise SettingsError for options that contradict each other."""
        gets = self.fetch is not None or self.to is not None
        if [gets, self.back is not None, self.sorted, self.labels is not None].count(True) != 1:
            raise SettingsError(
                "collect needs exactly one of --bootstrap-servers (fetch), --to (hand over to a labelling tool; also "
                "together with --bootstrap-servers), --from FILE (take back), --sorted and --labels FILE (label)"
            )
        if self.no_defect and not ((self.fetch or self.back) and may_be_folder(self.no_defect)):
            raise SettingsError(
                f"--no-defect {self.no_defect!r} must be the name of a folder that does not begin with '.' or '_', and "
                "is used with --bootstrap-servers and --from only"
            )
        if self.only_novel and self.fetch is None:
            raise SettingsError("--only-novel selects frames to fetch; use it with --bootstrap-servers")
        if self.again and self.to is None:
            raise SettingsError("--again hands frames over once more; use it with --to")
        if self.image_url and self.to != "label-studio":
            raise SettingsError(
                "--image-url is the address of the images for Label Studio; use it with --to label-studio"
            )
        if self.image_url and not self.image_url.endswith(("/", "=")):
            raise SettingsError(f"--image-url {self.image_url} must end with '/' or '=', because file names follow")

    def run(self) -> Outcome:
        """Do the steps. Raises StripwatchError."""
        self.check()
        if self.fetch is not None or self.to is not None:
            return self._get()
        if self.back is not None:
            done = take_back(self.out, self.back, self.new_labels, self.no_defect)
        elif self.labels is not None:
            done = label_from(self.labels, self.out, self.new_labels)
        else:
            done = accept_sorted(self.out, self.new_labels)
        counted = with_counts(done, msgspec.convert(done["file_counts"], FileCounts))
        return Outcome(*counted, next_steps=[command_text("train", "survey", self.out)])

    def _get(self) -> Outcome:
        found = fetch(self.out, self.fetch) if self.fetch is not None else {}
        if self.to is None:
            step = command_text("train", "collect", "--out", self.out, "--sorted")
            return Outcome(found, facts_of(found) | fetch_advice(self.out, found), next_steps=[step])
        given = hand_over(self.out, self.to, self.again, self.image_url)
        summary: dict[str, Any] = {**found, "handover": given.summary} if found else given.summary
        facts = facts_of(found) | facts_of(given.summary)
        step = command_text("train", "collect", "--out", self.out, "--from", _EXPORT)
        return Outcome(summary, facts, next_steps=[step], files=given.files, notes=_instructions(self, given))


def _instructions(steps: Steps, given: Handover) -> list[str]:
    """Return what to do next, as lines for a person."""
    before, earlier = given.summary["handed_over_before"], _named(given.summary["earlier_files"])
    if not given.files:
        again = f"; {before} were handed over before ({earlier}), --again includes them" if before else ""
        return [f"No frame was handed over: none needs a label{again}."]
    return [*_earlier_lines(steps, given, earlier), *_import_lines(steps, given)]


def _named(files: list[str]) -> str:
    return ", ".join(files[:_NAMED_MAX]) + (", ..." if len(files) > _NAMED_MAX else "")


def _earlier_lines(steps: Steps, given: Handover, earlier: str) -> list[str]:
    """Return what the files of earlier handovers are for, if there are any."""
    if not earlier:
        return []
    if steps.again:
        return [f"The new file contains all frames without a label; do not import the earlier files as well: {earlier}"]
    before = given.summary["handed_over_before"]
    return [
        f"The new file does not contain the {before} frames that were handed over before; import the earlier files as "
        f"well if you have not done so: {earlier}"
    ]


def _import_lines(steps: Steps, given: Handover) -> list[str]:
    folder = given.summary["folder"]
    if steps.to == "coco":
        return [f"Import the images and the file of annotations in {path_text(folder)} into your tool."]
    if steps.image_url:
        start = f"1. Serve the folder {path_text(steps.out / '_label-studio' / 'images')} at {steps.image_url}"
    else:
        root = path_text(steps.out.resolve())
        start = (
            "1. Start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
            f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}; in the project, add the source storage 'Local files' with "
            f"the path {root}/_label-studio (do not sync it)"
        )
    return [
        start,
        "2. Paste the labelling interface into Settings > Labeling Interface > Code, and import the tasks",
        "3. Label, export as JSON, and take the labels back",
    ]
