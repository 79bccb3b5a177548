"""The row of coils and of the live page."""

from deploy.boards.panels import Panel, Query, Row, orange_red_from

# The live page names lines as events do, so the variable of the workers' targets does not select them.
COILS = Row(
    "Coils",
    (
        Panel(
            "State of the running coil",
            "stat",
            (Query("max by (line) (stripwatch_view_coil_state)", "{{line}}"),),
            "By the limits in the settings. 0: ok, 1: warning, 2: alarm. The live page names the reason.",
            steps=orange_red_from(1, 2),
            height=6,
        ),
        Panel(
            "Alarms of coils",
            "timeseries",
            (
                Query("max by (line) (stripwatch_view_alarms)", "{{line}}"),
                Query("max by (line) (stripwatch_view_alarms_unacknowledged)", "{{line}}, not acknowledged"),
            ),
            "Alarms that the live page shows, and those that nobody has acknowledged yet.",
            axis="alarms",
            height=6,
        ),
        Panel(
            "Live page",
            "timeseries",
            (
                Query("min by (instance) (stripwatch_view_live)", "{{instance}} live"),
                Query("sum(stripwatch_view_viewers)", "browsers"),
                Query("sum by (kind) (increase(stripwatch_view_writes_total[1h]))", "{{kind}} per hour"),
                Query("sum by (kind) (increase(stripwatch_view_failed_writes_total[1h]))", "{{kind}} failed per hour"),
                Query(
                    "sum by (reason) (increase(stripwatch_view_failed_searches_total[1h]))",
                    "searches failed ({{reason}}) per hour",
                ),
                Query("sum by (decision) (increase(stripwatch_view_corrections_total[1h]))", "{{decision}} per hour"),
                Query("max(stripwatch_view_unknown_labels)", "classes without a model"),
            ),
            "live is 0 while the page shows old figures. failed: Kafka did not accept what a person entered. searches "
            "failed: the history could not be read. classes without a model: their limits have no effect.",
            axis="number",
            height=6,
        ),
    ),
)
