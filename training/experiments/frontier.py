"""Search for the accuracy-cost frontier, and a fit of the recommended candidate."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import onnxruntime as ort

from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.run_folder import Split, Task
from stripwatch.training.datasets.dataset import for_task, read_dataset
from stripwatch.training.experiments.fit_subprocess import common_flags, fit_words, run_fit
from stripwatch.training.experiments.out_folder import require_own_folder
from stripwatch.training.experiments.preflight import PlannedFit, check_networks, check_options
from stripwatch.training.frontier.measure.graphs import cut_backbone
from stripwatch.training.frontier.measure.pooled_features import build_for
from stripwatch.training.frontier.measure.search_context import SearchContext, SearchSettings, hash_weights
from stripwatch.training.frontier.measure.search_frames import FoldPlan, SearchFrames, read_search_frames
from stripwatch.training.frontier.measure.store import Store
from stripwatch.training.frontier.plan.budget import FRAMES_MAX, Budget
from stripwatch.training.frontier.plan.candidates import Candidate, Size, key_of
from stripwatch.training.frontier.plan.choice import best_admitted, cheapest_within, find_front, most_accurate
from stripwatch.training.frontier.plan.requirement import Requirement
from stripwatch.training.frontier.plan.result import SCHEMA, FrontierResult, Machine, RateResult, to_csv
from stripwatch.training.frontier.report.page import frontier_page
from stripwatch.training.frontier.report.plot import draw_frontier
from stripwatch.training.frontier.search import Found, accuracy_of_choice, entries_of, search
from stripwatch.training.preparation.prepared_data import apply_split
from stripwatch.training.preparation.stratified_split import split_frames
from stripwatch.worker.common.folders import make_folder, require_outside
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.process.cores import processor_name, usable_cores
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.contracts.timestamps import utc_now

PAGE_FILE, RESULT_FILE, CSV_FILE, PLOT_FILE = "report.html", "frontier.json", "frontier.csv", "frontier.png"
_VAL_SHARE = 0.2  # as the default of fit


@dataclass(frozen=True, slots=True)
class FrontierSettings:
    """Settings of `stripwatch train frontier`.

    search: networks, sizes and rules. fit: fit the recommended candidate. frames_max: largest number of frames that the
    search uses. command: command line, for the page. clock: monotonic seconds, for the time budget.
    """

    data: Path
    out: Path
    search: SearchSettings
    budget_minutes: float
    layout: str = "auto"
    task: Task = "multiclass"
    clean_label: str | None = None
    merge_labels: bool = False
    bit_depth: int | None = None
    fit: bool = True
    frames_max: int = FRAMES_MAX
    command: str = ""
    clock: Callable[[], float] = time.monotonic

    @property
    def common_flags(self) -> list[str]:
        """Return the options of every fit."""
        flags = common_flags(
            self.search.seed, self.layout, self.task, self.clean_label, self.bit_depth, self.merge_labels
        )
        return flags if self.search.novelty else [*flags, "--no-novelty"]


@dataclass(frozen=True, slots=True)
class Frontier:
    """Result of the command. run: folder of the recommended candidate's run; None if it was not fitted."""

    result: FrontierResult
    run: Path | None


def find_frontier(settings: FrontierSettings) -> Frontier:
    """Search candidates, write frontier.json, .csv, .png and report.html, and fit the recommended candidate.

    Continues an interrupted search: what was measured is not repeated. Everything that prevents a measurement is
    reported before the first one. Raises DataError if nothing could be timed, and what fit raises.
    """
    store = Store(settings.out / "measured")
    _check(settings, store)
    frames = _read_frames(settings)
    hashes = hash_weights(settings.search.choices)
    budget = Budget.start(settings.budget_minutes, settings.clock)
    with new_progress() as progress:
        context = SearchContext(settings.search, frames, store, budget, progress, hashes)
        found = search(context)
        result = _result(settings, context, found)
    run = None
    _write(settings, result, run)
    if settings.fit and result.winner is not None:
        run = _fit(settings, frames, found.scored[result.winner].candidate)
        _write(settings, result, run)
    store.remove_temporary()
    return Frontier(result, run)


def _check(settings: FrontierSettings, store: Store) -> None:
    """Raise an error with everything that prevents a measurement, as far as it does not depend on the images."""
    require_outside("--out", settings.out, [settings.data])
    require_own_folder(settings.out, "frontier")
    sizes: Sequence[Size | None] = settings.search.sizes or [None]
    fits, options = [], []
    for choice in settings.search.choices:
        for size in sizes:
            flags = [*choice.flags, *settings.common_flags, "--decode", "grey"]
            flags += ["--input", f"{size[0]}x{size[1]}"] if size else []
            options.append(flags)
            fits.append(PlannedFit(choice.name, fit_words(settings.out / "check" / choice.name, settings.data, flags)))
    check_options(fits)
    key = key_of(options, hash_weights(settings.search.choices))
    if store.read_record("checked", key, bool) is None:  # takes as long as building each network
        check_networks(fits)
        store.write_record("checked", key, True)


def _read_frames(settings: FrontierSettings) -> SearchFrames:
    found = read_dataset(settings.data, settings.layout, merge_labels=settings.merge_labels)
    dataset, clean_label = for_task(found, settings.task, settings.clean_label)
    with new_progress() as progress:
        bar = progress.add_task("reading", total=len(dataset.samples))
        return read_search_frames(
            *(dataset, settings.task, clean_label, settings.bit_depth),
            FoldPlan(settings.search.folds, settings.search.seed, settings.frames_max),
            lambda: progress.advance(bar),
        )


def _result(settings: FrontierSettings, context: SearchContext, found: Found) -> FrontierResult:
    rated, frames, points = found.rated, context.frames, settings.search.within_points
    rate = None if settings.search.requirement is None else _rate(context, found, settings.search.requirement)
    within = cheapest_within(rated, points).name
    return FrontierResult(
        schema=SCHEMA,
        created_at=utc_now(),
        data=path_text(settings.data.resolve()),
        frames=len(frames.frames),
        groups=len(set(frames.groups)),
        labels=frames.dataset.labels,
        task=frames.task,
        folds=settings.search.folds,
        seed=settings.search.seed,
        colour=frames.facts.colour,
        frame_size=f"{frames.facts.height_px}x{frames.facts.width_px}",
        machine=Machine(processor_name(), usable_cores(), ort.__version__),
        within_points=points,
        best=most_accurate(rated).name,
        within=within,
        winner=within if rate is None else rate.reached_by,
        selected_accuracy=accuracy_of_choice(context, found),
        rate=rate,
        front=find_front(rated),
        entries=entries_of(found),
        untried=found.untried,
        rejected=found.rejected,
        minutes=round(context.budget.used_s / 60, 2),
        budget_minutes=settings.budget_minutes,
        command=settings.command,
        novelty=settings.search.novelty,
    )


def _rate(context: SearchContext, found: Found, wanted: Requirement) -> RateResult:
    pixels = context.frames.mean_px
    costs = found.meter.costs
    frame_ms = {name: wanted.frame_ms(each.decode_ms, each.inference_ms, pixels) for name, each in costs.items()}
    reached = best_admitted(found.rated, lambda each: frame_ms[each.name] <= wanted.frame_ms_max)
    per_core_ms = 1000 * wanted.utilisation
    return RateResult(
        frames_per_second=wanted.frames_per_second,
        cameras=wanted.cameras,
        cores=wanted.cores,
        utilisation=wanted.utilisation,
        other_ms=wanted.other_ms,
        frame_ms_max=wanted.frame_ms_max,
        decode_factor=wanted.decode_factor(pixels),
        reached_by=reached.name if reached else None,
        frame_ms=frame_ms,
        cores_needed={name: each * wanted.frames_per_second / per_core_ms for name, each in frame_ms.items()},
    )


def _fit(settings: FrontierSettings, frames: SearchFrames, candidate: Candidate) -> Path:
    """Fit a candidate with the defaults of fit, and return its run folder."""
    folder = settings.out / "runs" / candidate.name.rpartition("-")[0]  # all precisions are exported from one run
    choice = candidate.source.choice
    weights = choice.weights
    if choice.cut and candidate.cut != choice.cut:
        weights = path_text(_cut_weights(folder, candidate))
    flags = [*candidate.fit_flags, "--weights", weights, *settings.common_flags]
    flags += ["--cut", candidate.cut] if candidate.cut else []
    run_fit(f"fitting {folder.name}", folder, settings.data, _split(frames, settings.search.seed), flags)
    return folder


def _cut_weights(folder: Path, candidate: Candidate) -> Path:
    """Write the weights of a candidate that is cut before the end of its weights file, and return the file.

    Keras loads a weights file only into a network with the same layers.
    """
    path = folder.with_name(f"{folder.name}.weights.h5")
    if not path.exists():
        make_folder(path.parent)
        part = path.with_name(f"{folder.name}.part.weights.h5")  # Keras requires the end of the name
        cut_backbone(candidate, build_for(candidate.source)).save_weights(part)
        part.replace(path)
    return path


def _split(frames: SearchFrames, seed: int) -> Split:
    label_sets, every = [frame.labels for frame in frames.every], frames.task == "multiclass"
    return apply_split(frames.every, split_frames(label_sets, frames.every_group, _VAL_SHARE, seed, every))


def _write(settings: FrontierSettings, result: FrontierResult, run: Path | None) -> None:
    plot = draw_frontier(result)
    relative = None if run is None else run.relative_to(settings.out)
    make_folder(settings.out)
    files: Sequence[tuple[str, bytes]] = (
        (RESULT_FILE, msgspec.json.format(msgspec.json.encode(result))),
        (CSV_FILE, to_csv(result.entries)),
        (PLOT_FILE, plot),
        (PAGE_FILE, frontier_page(result, plot, relative).encode()),
    )
    for name, data in files:
        atomic_write(settings.out / name, data)
