"""What both boards share: how they choose a line, and what they mark on the time axis."""

from deploy.boards.panels import Annotation, Variable

OF_LINE = 'line=~"$line"'
OF_WORKER = 'line=~"$line", instance=~"$instance"'
RATE = "[$__rate_interval]"

LINE = Variable("line", "label_values(stripwatch_ready, line)")
NEW_BUNDLE = Annotation(
    "New bundle",
    f"count by (line, name, version, sha256) (stripwatch_bundle_info{{{OF_LINE}}})"
    f" unless count by (line, name, version, sha256) (stripwatch_bundle_info{{{OF_LINE}}} offset 1m)",
    "{{line}}: {{name}} {{version}}",
    "blue",
)
ALERTS = Annotation("Alerts", f'ALERTS{{alertstate="firing", {OF_LINE}}}', "{{alertname}} {{camera}}", "red")
