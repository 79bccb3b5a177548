"""The log of a worker, as an operator reads it."""

from pathlib import Path

from tests.e2e.line import Line, run_cli, running_worker
from tests.tiny import encode_frame

STATES = ["starting", "settings", "connecting", "started", "partitions assigned", "ready", "stopping", "stopped"]


def test_each_state_is_logged_and_a_line_has_the_id_of_its_event(line: Line, bundle: Path) -> None:
    line.send([b"no image", encode_frame(0.5)], key=b"top-7", headers=[("ce_time", b"yesterday")])
    with running_worker(line, bundle, "g", "--set", "inflight.frames_max=32") as worker:
        worker.await_log("ready")
        (reject,), (result,) = line.read("rejects", 1), line.read("results", 1)
        assert worker.stop() == 0
    events = [entry["event"] for entry in worker.lines]
    assert [event for event in events if event in STATES] == STATES
    settings = worker.lines[events.index("settings")]
    assert settings["inflight"]["frames_max"] == 32
    assert settings["topics"]["frames"] == line.topics["frames"]
    rejected = worker.lines[events.index("frame rejected")]
    assert rejected["frame"].encode() == reject.headers["ce_id"]
    assert (rejected["camera"], rejected["reason"]) == ("top-7", "unsupported_format")
    unread = [entry for entry in worker.lines if entry["event"] == "malformed frame headers"]
    assert {entry["frame"] for entry in unread} == {rejected["frame"], result.json["id"]}


def test_settings_are_logged_without_secrets(bundle: Path) -> None:
    pairs = ("security.protocol=SASL_SSL", "security.mechanism=PLAIN", "security.username=a", "broker.wait_s_max=0.5")
    done = run_cli(
        *("run", "--bundle", str(bundle), "--bootstrap-servers", "127.0.0.1:1"),
        *(part for pair in pairs for part in ("--set", pair)),
        *("--metrics-port", "0", "--log-format", "json"),
        STRIPWATCH_SECURITY__PASSWORD="hunter2",
    )
    assert done.returncode == 4
    assert '"password": "**********"' in done.stderr
    assert "hunter2" not in done.stderr
