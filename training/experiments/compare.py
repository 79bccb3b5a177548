"""Comparison of networks on one split: fitted, evaluated, exported, timed in the worker's session, and ranked."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from stripwatch.export.convert.export_run import ExportSettings, export_run
from stripwatch.export.results.run_evaluation import Evaluation, read_evaluation
from stripwatch.export.results.stress_results import StressResults
from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.run_folder import Run, Task, read_run
from stripwatch.training.datasets.formats.problems import nearest_text
from stripwatch.training.evaluation.evaluate import REPORT_FOLDER, EvaluateSettings, evaluate_run
from stripwatch.training.evaluation.evaluation_report import REPORT_FILE
from stripwatch.training.experiments.compare_page import compare_page
from stripwatch.training.experiments.fit_subprocess import (
    check_earlier_fit,
    check_flags,
    common_flags,
    fit_words,
    is_finished,
    read_split_frames,
    run_fit,
)
from stripwatch.training.experiments.leaderboard import Leaderboard, LeaderboardEntry, Rule, draw, rank, to_csv
from stripwatch.training.experiments.out_folder import require_own_folder
from stripwatch.training.experiments.preflight import PlannedFit, check_networks, check_options
from stripwatch.training.preparation.prepared_data import apply_split
from stripwatch.training.preparation.stratified_split import split_frames
from stripwatch.worker.common.errors import ExportRejectedError, InputError, SettingsError, run_checks
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.open_session import open_session


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network in the comparison. name: unique name. flags: options of fit for this network only."""

    name: str
    network: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """Settings of a comparison.

    flags: options passed to each fit. command: command line, for the page. stress_frames: number of validation frames
    that are changed on purpose to measure what each network withstands; 0 omits that.
    """

    data: Path
    out: Path
    candidates: Sequence[Candidate]
    rule: Rule
    seed: int = 0
    val_share: float = 0.2
    layout: str = "auto"
    task: Task = "multiclass"
    clean_label: str | None = None
    flags: Sequence[str] = ()
    bit_depth: int | None = None
    command: str = ""
    merge_labels: bool = False
    stress_frames: int = 0

    def folder(self, candidate: Candidate) -> Path:
        """Return the run folder of a network."""
        return self.out / candidate.name

    def bundle(self, candidate: Candidate) -> Path:
        """Return the bundle of a network."""
        return self.out / f"{candidate.name}.onnx"

    def flags_of(self, candidate: Candidate) -> list[str]:
        """Return the options of the fit of a network."""
        common = common_flags(self.seed, self.layout, self.task, self.clean_label, self.bit_depth, self.merge_labels)
        return ["--network", candidate.network, *common, *self.flags, *candidate.flags]


def parse_candidates(networks: str, settings: Sequence[str]) -> list[Candidate]:
    """Parse the options --networks and --set.

    networks: such as "vgg19,small=mobilenet", where each entry is a network or NAME=NETWORK. settings: each one is
    "NAME:FLAG=VALUE", or "NAME:FLAG" for a switch. Raises SettingsError for a repeated or invalid name, for a setting
    of an unknown name, and for fewer than two networks.
    """
    names: dict[str, str] = {}
    problems: list[str] = []
    for word in filter(None, map(str.strip, networks.split(","))):
        name, _, network = word.partition("=")
        if name in names:
            problems.append(f"--networks contains {name!r} twice; use NAME=NETWORK to give them different names")
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
            problems.append(f"--networks: {name!r} is not a valid name; use letters, digits, '-', '_' and '.'")
        names[name] = network or name
    flags: dict[str, list[str]] = {name: [] for name in names}
    for text in settings:
        name, _, rest = text.partition(":")
        flag, equals, value = rest.partition("=")
        if name not in flags or not flag:
            problems.append(
                f"--set {text!r} is not NAME:FLAG=VALUE with NAME one of {', '.join(names) or '(no networks)'}"
                f"{nearest_text(name, names)}"
            )
            continue
        flags[name] += [f"--{flag}", value] if equals else [f"--{flag}"]
    if len(names) < 2:
        problems.append(f"--networks {networks!r}: a comparison needs at least two networks")
    if problems:
        raise SettingsError("; ".join(problems))
    return [Candidate(name, network, tuple(flags[name])) for name, network in names.items()]


def compare(settings: CompareSettings) -> Leaderboard:
    """Compare networks and write leaderboard.csv, leaderboard.json, leaderboard.png and report.html.

    Continues an interrupted comparison: finished networks are not repeated. Everything that prevents a fit is reported
    before the first one runs, for all networks at once. Raises what fit raises, for the first network that fails.
    """
    _check(settings)
    frames, groups = read_split_frames(
        settings.data, settings.layout, settings.task, settings.clean_label, settings.bit_depth, settings.merge_labels
    )
    label_sets, every = [frame.labels for frame in frames], settings.task == "multiclass"
    parts = split_frames(label_sets, groups, settings.val_share, settings.seed, every)
    split = apply_split(frames, parts)
    run_checks(
        partial(check_earlier_fit, settings.folder(each), settings.flags_of(each), split)
        for each in settings.candidates
    )
    for each in settings.candidates:
        run_fit(each.name, settings.folder(each), settings.data, split, settings.flags_of(each))
    entries = [_measure(settings, candidate) for candidate in settings.candidates]
    board = rank(entries, settings.rule)
    atomic_write(settings.out / "leaderboard.csv", to_csv(board))
    plot = draw(board)
    atomic_write(settings.out / "leaderboard.png", plot)
    atomic_write(settings.out / "leaderboard.json", msgspec.json.format(msgspec.json.encode(board)))
    run = read_run(settings.out / settings.candidates[0].name)
    atomic_write(settings.out / REPORT_FILE, compare_page(board, run, plot, settings.command).encode())
    return board


def _check(settings: CompareSettings) -> None:
    """Raise an error with everything that prevents a fit, as far as it does not depend on the content of the images."""
    require_outside("--out", settings.out, [settings.data])
    require_own_folder(settings.out, "compare")
    for candidate in settings.candidates:
        check_flags([*settings.flags, *candidate.flags], also=["--network"])
    run_checks(
        partial(check, each)
        for each in settings.candidates
        for check in (partial(_check_earlier, settings), partial(_check_bundle, settings))
    )
    fits = [
        PlannedFit(each.name, fit_words(settings.folder(each), settings.data, settings.flags_of(each)))
        for each in settings.candidates
        if not is_finished(settings.folder(each))
    ]
    if fits:
        check_options(fits)
        check_networks(fits)


def _check_earlier(settings: CompareSettings, candidate: Candidate) -> None:
    check_earlier_fit(settings.folder(candidate), settings.flags_of(candidate))


def _check_bundle(settings: CompareSettings, candidate: Candidate) -> None:
    """Raise InputError for a bundle of another run, whose speed would be taken for that of the network."""
    file, folder = settings.bundle(candidate), settings.folder(candidate)
    if not file.exists():
        return
    made_from = read_bundle(file).manifest.provenance.run_id
    if not is_finished(folder) or read_run(folder).run_id != made_from:
        raise InputError(f"{file} is the bundle of another run; remove it, or choose another --out")


def _measure(settings: CompareSettings, candidate: Candidate) -> LeaderboardEntry:
    """Evaluate, export and time a finished run, or read the earlier result."""
    folder, record = settings.folder(candidate), settings.out / f"{candidate.name}.entry.json"
    run = read_run(folder)
    before = _read_entry(record)
    stress_frames = min(settings.stress_frames, len(run.split.validation))
    if before is not None and before.model_sha256 == run.model_sha256 and _has_stress(before.stress, stress_frames):
        return before
    say(f"{candidate.name}: evaluating, exporting, timing")
    evaluation = read_evaluation(folder, run)
    has_report = (folder / REPORT_FOLDER / REPORT_FILE).exists()  # the page of the comparison links to it
    is_complete = evaluation is not None and _has_stress(evaluation.stress, stress_frames) and has_report
    if evaluation is None or evaluation.measured_on != "validation" or not is_complete:
        evaluation = evaluate_run(EvaluateSettings(folder, settings.data, stress_frames=stress_frames))
    entry = _entry(candidate, run, evaluation, load_model(folder).count_params())
    try:
        entry = _with_speed(entry, folder, settings.data, settings.bundle(candidate))
    except ExportRejectedError as error:  # a network that learned nothing has no golden frames
        say(f"{candidate.name}: not timed because the export failed: {error}")
        entry = msgspec.structs.replace(entry, note=str(error))
    atomic_write(record, msgspec.json.encode(entry))
    return entry


def _has_stress(stress: StressResults | None, frames: int) -> bool:
    """Return whether the stress test with this number of frames was made; 0 asks for none."""
    return not frames or (stress is not None and stress.frames == frames)


def _read_entry(record: Path) -> LeaderboardEntry | None:
    """Return the earlier result, or None if there is none or it was written by another version."""
    if not record.exists():
        return None
    try:
        return msgspec.json.decode(read_whole(record), type=LeaderboardEntry)
    except msgspec.MsgspecError:
        return None


def _entry(candidate: Candidate, run: Run, evaluation: Evaluation, parameters: int) -> LeaderboardEntry:
    configuration = run.configuration
    return LeaderboardEntry(
        name=candidate.name,
        network=configuration.title,
        weights=configuration.weights,
        input=f"{run.decode.height_px}x{run.decode.width_px} {run.decode.name}",
        accuracy=evaluation.accuracy,
        macro_f1=evaluation.macro_f1,
        parameters=parameters,
        epoch_s=run.seconds["epochs"] / configuration.epochs,
        features_s=run.seconds["features"],
        total_s=run.seconds["total"],
        model_sha256=run.model_sha256,
        left_out_mean=evaluation.novelty.left_out_mean if evaluation.novelty else None,
        stress=evaluation.stress,
    )


def _with_speed(entry: LeaderboardEntry, folder: Path, data: Path, file: Path) -> LeaderboardEntry:
    """Export the run unless that is done, and add the speeds that the worker's session measures at warm-up."""
    if file.exists() and entry.stress and read_bundle(file).manifest.withstands != entry.stress.limits:
        file.unlink()  # it was exported before the stress test
    if not file.exists():
        export_run(ExportSettings(folder, file, name=entry.name, data=data))
    bundle = read_bundle(file)
    session = open_session(bundle)
    speeds = {batch.frames: batch.frames_per_second for batch in session.batches}
    best = session.best_batch_frames
    return msgspec.structs.replace(
        entry,
        bundle_bytes=len(bundle.model),
        provider=session.provider,
        frames_per_second_batch_1=speeds[1],
        frames_per_second=speeds[best],
        batch=best,
    )
