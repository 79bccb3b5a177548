"""Days without a fault of the workers: stops, updates, camera changes. Some of them still raise an alert."""

from tests.deploy.days.day import ALWAYS, CAMERAS, FOREVER, Change, Day, Line, PlantRule, Span, Worker, alerts

_WEEKEND = PlantRule(  # the first day of every test is a Thursday
    "line:stripwatch_planned_stop",
    {"line": "l1"},
    "vector(1) and (day_of_week() == 4 and hour() >= 3 or day_of_week() == 5 and hour() < 9)",
)
_NIGHT = PlantRule("line:stripwatch_planned_stop", {"line": "l1"}, "vector(1) and hour() >= 3 and hour() < 11")
_MONDAY = 30 * 60 + 3 * 60  # the line is stopped for 30 hours from minute 180 on, longer than any one-day window
_FROM_30_MIN = "vector(1) and vector(time()) > 1800"
_FROM_80_MIN = "vector(1) and vector(time()) > 4800"
_THREE = {**CAMERAS, "top-3": ALWAYS}


def _bad_surface(minute: int) -> Change:
    """Add defects to the ordinary 5 %, so that 4 of 10 frames show one."""
    return Change("stripwatch_results_total", {"verdict": "defect", "instance": "a"}, minute, per_minute=700)


def _bad_after_stop(minutes: int) -> Day:
    """Build a day on which the usual share must survive a stop, and must not be replaced by the hour after it."""
    silent = ("LineSilent",) if minutes > 15 else ()
    return Day(
        f"stop of {minutes} minutes, then a bad surface",
        minutes=155 + minutes,
        lines=(Line(stops=((60, 60 + minutes),)),),
        changes=(_bad_surface(130 + minutes),),
        fires=alerts("DefectRateHigh", *silent),
        at={125 + minutes: alerts(), 155 + minutes: alerts("DefectRateHigh")},
    )


STOPS = (
    Day("ordinary day", minutes=24 * 60, evaluate_s=180),
    Day(
        "roll changes",
        minutes=180,
        lines=(Line(stops=((60, 65), (100, 111), (150, 164))),),
        at={111: alerts(), 163: alerts()},
    ),
    Day(
        "planned stop of two hours",
        minutes=240,
        lines=(Line(stops=((60, 180),)),),
        plant=(PlantRule("line:stripwatch_planned_stop", {"line": "l1"}, "vector(1) and hour() >= 1 and hour() < 3"),),
    ),
    Day(
        "unplanned stop",
        minutes=120,
        lines=(Line(stops=((60, 90),)),),
        fires=alerts("LineSilent"),
        at={74: alerts(), 80: alerts("LineSilent"), 120: alerts()},
    ),
    Day(
        "night",
        minutes=13 * 60,
        lines=(Line(stops=((180, 660),)),),
        plant=(_NIGHT,),
        evaluate_s=120,
        at={400: alerts()},
    ),
    Day(
        "weekend",
        minutes=_MONDAY + 60,
        lines=(Line(stops=((180, _MONDAY),)),),
        plant=(_WEEKEND,),
        evaluate_s=240,
    ),
    *(_bad_after_stop(minutes) for minutes in (5, 11, 20)),
    Day(
        "night, then a bad surface",
        minutes=13 * 60,
        lines=(Line(stops=((180, 660),)),),
        changes=(_bad_surface(720),),
        plant=(_NIGHT,),
        evaluate_s=120,
        fires=alerts("DefectRateHigh"),
        at={13 * 60: alerts("DefectRateHigh")},
    ),
    Day(
        "weekend, then a bad surface",
        minutes=_MONDAY + 60,
        lines=(Line(stops=((180, _MONDAY),)),),
        changes=(_bad_surface(_MONDAY + 20),),
        plant=(_WEEKEND,),
        evaluate_s=240,
        fires=alerts("DefectRateHigh"),
        at={_MONDAY + 60: alerts("DefectRateHigh")},
    ),
)

CAMERAS_CHANGE = (
    Day(
        "coils end: the first camera is idle before the last",
        minutes=62,
        lines=(Line(cameras={"top-1": tuple((start, start + 12.5) for start in range(0, 75, 15)), "top-2": ALWAYS}),),
        step_s=30,
        evaluate_s=30,
    ),
    Day(
        "camera declared removed",
        minutes=120,
        lines=(Line(cameras={**_THREE, "top-3": ((0, 30),)}),),
        plant=(
            PlantRule(
                "camera:stripwatch_removed",
                {"line": "l1", "camera": "top-3"},
                _FROM_30_MIN,
            ),
        ),
    ),
    Day(
        "camera removed without being declared",
        minutes=120,
        lines=(Line(cameras={**_THREE, "top-3": ((0, 30),)}),),
        fires=alerts("CameraSilent"),
        at={120: alerts("CameraSilent")},
    ),
    Day(
        "camera exchanged while the line runs",
        minutes=120,
        lines=(Line(cameras={"top-1": ALWAYS, "top-2": ((0, 40),), "top-9": ((42, FOREVER),)}),),
        fires=alerts("CameraReplaced"),
    ),
    Day(
        "camera exchanged while the line is stopped",
        minutes=120,
        lines=(Line(cameras={"top-1": ALWAYS, "top-2": ((0, 40),), "top-9": ((50, FOREVER),)}, stops=((40, 50),)),),
        fires=alerts("CameraReplaced"),
    ),
    Day(
        "camera exchanged, and an hour later another one dies",
        minutes=150,
        lines=(Line(cameras={"top-1": ((0, 110),), "top-2": ((0, 40),), "top-9": ((42, FOREVER),)}),),
        fires=alerts("CameraReplaced", "CameraSilent"),
        at={110: alerts("CameraReplaced"), 150: alerts("CameraReplaced", "CameraSilent")},
    ),
    Day(
        "camera exchanged for repair, and back",
        minutes=150,
        lines=(Line(cameras={"top-1": ALWAYS, "top-2": ((0, 40), (100, FOREVER)), "top-9": ((42, 100),)}),),
        fires=alerts("CameraReplaced"),
    ),
    Day(
        "camera added",
        minutes=120,
        lines=(Line(cameras={**CAMERAS, "top-3": ((40, FOREVER),)}),),
    ),
    Day(
        "camera added, and another one dies later",
        minutes=120,
        lines=(Line(cameras={"top-1": ALWAYS, "top-2": ((0, 70),), "top-3": ((40, FOREVER),)}),),
        fires=alerts("CameraSilent"),
        at={120: alerts("CameraSilent")},
    ),
    Day(
        "camera dies, and an unrelated one is added later",
        minutes=180,
        lines=(Line(cameras={**_THREE, "top-3": ((0, 40),), "top-4": ((100, FOREVER),)}),),
        fires=alerts("CameraSilent"),
        at={minute: alerts("CameraSilent") for minute in (60, 110, 180)},
    ),
    Day(
        "camera exchanged late, and the old one declared removed",
        minutes=150,
        lines=(Line(cameras={**_THREE, "top-3": ((0, 20),), "top-4": ((60, FOREVER),)}),),
        plant=(PlantRule("camera:stripwatch_removed", {"line": "l1", "camera": "top-3"}, _FROM_80_MIN),),
        fires=alerts("CameraSilent"),
        at={79: alerts("CameraSilent"), 90: alerts(), 150: alerts()},
    ),
    Day(
        "camera exchanged, and another one dies in the same minutes",
        minutes=150,
        lines=(Line(cameras={"top-1": ALWAYS, "top-2": ((0, 40),), "top-3": ((0, 43),), "top-9": ((42, FOREVER),)}),),
        fires=alerts("CameraSilent", "CameraReplaced"),
        at={150: alerts("CameraSilent", "CameraReplaced")},
    ),
    Day(
        "two cameras die in a stop, and one is added",
        minutes=120,
        lines=(
            Line(
                cameras={"top-1": ALWAYS, "top-2": ((0, 40),), "top-3": ((0, 40),), "top-9": ((50, FOREVER),)},
                stops=((40, 50),),
            ),
        ),
        fires=alerts("CameraSilent"),
        at={120: alerts("CameraSilent")},
    ),
    Day(
        "camera dies while two are added",
        minutes=120,
        lines=(
            Line(
                cameras={**_THREE, "top-3": ((0, 40),), "top-8": ((42, FOREVER),), "top-9": ((42, FOREVER),)},
            ),
        ),
        fires=alerts("CameraSilent"),
        at={120: alerts("CameraSilent")},
    ),
    Day(
        "the only camera of a line dies, which looks like a stop",
        minutes=120,
        lines=(Line(cameras={"top-1": ((0, 40),)}),),
        fires=alerts("LineSilent"),
        at={50: alerts(), 120: alerts("LineSilent")},
    ),
    Day(
        "camera dies before a weekend",
        minutes=_MONDAY + 60,
        lines=(Line(cameras={**CAMERAS, "top-2": ((0, 120),)}, stops=((180, _MONDAY),)),),
        plant=(_WEEKEND,),
        evaluate_s=240,
        fires=alerts("CameraSilent"),
        at={minute: alerts("CameraSilent") for minute in (176, 1500, _MONDAY + 12, _MONDAY + 60)},
    ),
    Day(
        "camera is dead for more than a day of running",
        minutes=27 * 60,
        lines=(Line(cameras={**CAMERAS, "top-2": ((0, 60),)}),),
        evaluate_s=240,
        fires=alerts("CameraSilent"),
        at={minute: alerts("CameraSilent") for minute in (120, 27 * 60)},
    ),
    Day(
        "camera is dead for an hour and comes back",
        minutes=150,
        lines=(Line(cameras={**CAMERAS, "top-2": ((0, 40), (100, FOREVER))}),),
        fires=alerts("CameraSilent"),
        at={99: alerts("CameraSilent"), 105: alerts()},
    ),
)

_AWAY = 25 * 60  # longer than retention, which is a day
_LOST = Change("stripwatch_frames_deleted_total", {"instance": "a"}, 30 + _AWAY, once=1200)
_JUMPED = Change("stripwatch_offset_resets_total", {"instance": "a", "cause": "recreated"}, 30 + _AWAY, once=1)


def _counted_by(instance: str, minute: int) -> tuple[Change, ...]:
    """Build counts of everything that a worker counts only after a fault, all at once."""
    return tuple(
        Change(f"stripwatch_{metric}_total", {"instance": instance, **labels}, minute, once=5)
        for metric, labels in (
            ("frames_deleted", {}),
            ("batch_faults", {"fault": "damaged"}),
            ("memory_shortages", {}),
            ("commit_failures", {}),
            ("producer_rebuilds", {}),
            ("unlocated_defects", {}),
            ("instance_ids_taken", {}),
            ("rejects_shortened", {}),
        )
    )


_FAULTY_COIL = Change("stripwatch_coils_faulty_total", {"instance": "coils", "fault": "reset"}, 10, once=1)


def _eight_processes(*lives: Span) -> Line:
    """Build the processes of one supervisor. lives: spans in which one of them lives."""
    return Line(workers=tuple(Worker("a", lives if number == 3 else ALWAYS, str(number)) for number in range(8)))


WORKERS_CHANGE = (
    Day(
        "rolling update",
        minutes=60,
        lines=(
            Line(
                workers=(
                    *(Worker("a", ((0, 20),)), Worker("b", ((0, 22),))),
                    *(Worker("c", ((19, FOREVER),), bundle="sha-9"), Worker("d", ((21, FOREVER),), bundle="sha-9")),
                )
            ),
        ),
    ),
    Day(
        "rolling update with a pause of ten seconds",
        minutes=40,
        lines=(
            Line(workers=(Worker("a", ((0, 20.5),)), Worker("b", ((20.25, FOREVER),))), slow={(20.25, 20.75): 0.8}),
        ),
        step_s=15,
        evaluate_s=15,
    ),
    Day(
        "repeated pauses of ten seconds",
        minutes=60,
        lines=(Line(slow={(start, start + 0.5): 0.8 for start in range(10, 60, 3)}),),
        step_s=15,
        evaluate_s=15,
        fires=alerts("FrameAgeHigh"),
    ),
    Day(
        "Prometheus down for 20 minutes",
        minutes=180,
        changes=(
            Change("stripwatch_frames_deleted_total", {"instance": "a"}, 10, once=1200),
            Change("stripwatch_commit_failures_total", {"instance": "a"}, 10, once=7),
        ),
        unscraped=((90, 110),),
        fires=alerts("FramesDeleted", "CommitsFail"),
        at={89: alerts(), 130: alerts()},
    ),
    Day(
        "new Prometheus, and workers with losses from long ago",
        minutes=120,
        changes=(*_counted_by("a", 10), _FAULTY_COIL),
        unscraped=((0, 60),),
    ),
    Day(
        "Prometheus down for more than a day; a worker that started in that time has lost frames",
        minutes=150 + _AWAY,
        lines=(Line(workers=(Worker("a"), Worker("b", ((0, 10), (90 + 600, FOREVER))))),),
        changes=(
            Change("stripwatch_commit_failures_total", {"instance": "a"}, 10, once=7),
            Change("stripwatch_frames_deleted_total", {"instance": "b"}, 90 + 600, once=1200),
        ),
        unscraped=((90, 90 + _AWAY),),
        evaluate_s=240,
        fires=alerts("CommitsFail", "FramesDeleted"),
        at={89: alerts(), 95 + _AWAY: alerts("FramesDeleted"), 120 + _AWAY: alerts()},
    ),
    Day(
        "one of eight processes dead",
        minutes=60,
        lines=(_eight_processes((0, 20)),),
        fires=alerts("ProcessDown"),
        at={21: alerts(), 60: alerts("ProcessDown")},
    ),
    Day(
        "one of eight processes dies and is restarted",
        minutes=60,
        lines=(_eight_processes((0, 20), (21, FOREVER)),),
    ),
    Day(
        "line without workers, while another has some",
        minutes=120,
        lines=(Line(), Line("l2", workers=(Worker("c", ((0, 30),)),))),
        fires=alerts("NoWorker"),
        at={30: alerts(), 35: alerts("NoWorker"), 120: alerts("NoWorker")},
    ),
    Day(
        "line declared removed, and another has workers",
        minutes=60,
        lines=(Line(), Line("l2", workers=(Worker("c", ((0, 30),)),))),
        plant=(PlantRule("line:stripwatch_removed", {"line": "l2"}, _FROM_30_MIN),),
    ),
    Day(
        "worker down for longer than the retention",
        minutes=60 + _AWAY,
        lines=(Line(workers=(Worker("a", ((0, 30), (30 + _AWAY, FOREVER))),)),),
        changes=(_LOST, _JUMPED),
        evaluate_s=240,
        fires=alerts("NoWorker", "FramesDeleted", "OffsetsJump"),
    ),
    Day(
        "worker counts rare events before its first scrape",
        minutes=50,
        lines=(Line(workers=(Worker("a"), Worker("c", ((20, FOREVER),)))),),
        changes=_counted_by("c", 20),
        fires=alerts(
            *("FramesDeleted", "BatchesUnreadable", "MemoryShort", "CommitsFail", "ProducerFails"),
            *("DefectsUnlocated", "InstanceIdTaken", "RejectsShortened"),
        ),
        at={19: alerts(), 45: alerts("InstanceIdTaken", "RejectsShortened")},
    ),
    Day(
        "worker restarted, and lost the same number of frames as before",
        minutes=90,
        lines=(Line(workers=(Worker("a", ((0, 50), (52, FOREVER))), Worker("b"))),),
        changes=tuple(
            change
            for minute in (10, 52)
            for change in (
                Change("stripwatch_frames_deleted_total", {"instance": "a"}, minute, once=1200),
                Change("stripwatch_offset_resets_total", {"instance": "a", "cause": "recreated"}, minute, once=1),
                Change("stripwatch_memory_shortages_total", {"instance": "a"}, minute, once=2),
            )
        ),
        fires=alerts("FramesDeleted", "OffsetsJump", "MemoryShort"),
        at={45: alerts(), 55: alerts("FramesDeleted", "OffsetsJump", "MemoryShort"), 90: alerts()},
    ),
)

COILS_CHANGE = (
    Day(
        "the target of stripwatch coils is gone",
        minutes=120,
        coils=((0, 30),),
        fires=alerts("CoilsNotSummarized"),
        at={39: alerts(), 45: alerts("CoilsNotSummarized"), 120: alerts("CoilsNotSummarized")},
    ),
    Day(
        "stripwatch coils declared removed",
        minutes=60,
        coils=((0, 30),),
        plant=(PlantRule("stripwatch:coils_removed", {}, _FROM_30_MIN),),
    ),
    Day("stripwatch coils updated", minutes=60, coils=((0, 30), (32, FOREVER))),
    Day("plant without stripwatch coils", minutes=60, coils=()),
)

DAYS = (*STOPS, *CAMERAS_CHANGE, *WORKERS_CHANGE, *COILS_CHANGE)
