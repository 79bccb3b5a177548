"""Migration of a settings file: it keeps its meaning, and only its keys change."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.config import migration
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.migration import migrate_file
from stripwatch.worker.config.overrides import merge
from stripwatch.worker.config.renames import RENAMES
from stripwatch.worker.config.settings import Settings

# For each old key, a TOML value that is not the default.
VALUES = {
    "shadow": '"c\\\\candidate.onnx"',
    "shadow_share": "0.5",
    "evidence": "true",
    "evidence_per_minute_max": "1e2",
    "evidence_bytes_max": "400_000",
    "evidence_side_px_max": "0x400",
    "evidence_quality": "90",
    "review": "true",
    "review_per_hour_max": "7",
    "reject_bytes_max": "0",
    "reject_share_max": "0.25",
    "reject_window_s": "30",
    "frame_bytes_max": "1_000_000",
    "frame_pixels_max": "1_000_000",
    "frame_side_px_min": "16",
    "inflight_frames_max": "32",
    "inflight_bytes_max": "1_000_000",
    "transaction_ms": "200",
    "transaction_s_max": "10.5",
    "broker_wait_s_max": "5",
    "broker_away_s_max": "20",
    "metrics_host": "'0.0.0.0'",
    "metrics_port": "9_109",
    "camera_labels_max": "8",
    "log_format": '"json"',
    "log_level": '"warning"',
}
TABLES = '[topics]\nframes = "f"  # of the line\n\n[cameras.top-1]\nmm_per_px = 0.5\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "worker.toml"


def meaning(text: str) -> Settings:
    """Return the settings of a file whose keys are still the old ones."""
    values = tomllib.loads(text)
    renamed: list[dict[str, Any]] = []
    for old, new in RENAMES.items():
        if old in values and not isinstance(values[old], dict):
            section, name = new.split(".")
            renamed.append({section: {name: values.pop(old)}})
    return load_settings(None, merge(values, *renamed))


def migrated(file: Path, text: str) -> str:
    file.write_text(text)
    done = migrate_file(file)
    assert done.backup is not None
    assert done.backup.read_text() == text
    return file.read_text()


def migration_error(file: Path, text: str) -> str:
    """Return the error of a file that cannot be migrated, after checking that it is unchanged."""
    file.write_text(text)
    with pytest.raises(StripwatchError) as error:
        migrate_file(file)
    assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]
    return str(error.value)


def test_values_cover_every_old_key() -> None:
    assert VALUES.keys() == RENAMES.keys()
    assert all(meaning(f"{key} = {value}") != load_settings(None, {}) for key, value in VALUES.items())


def test_replaces_keys_in_place_and_changes_nothing_else(file: Path) -> None:
    before = """\
# Line 1
group_id = "line-1"  # as in Kafka
metrics_port   = 9_109   # behind the firewall
  evidence = true
"evidence_quality"=90

# Pictures are for the day shift.
shadow = 'c:\\candidate.onnx'
topics.frames = "f"

[cameras.top-1]
mm_per_px = 0.5  # measured
"""
    after = """\
# Line 1
group_id = "line-1"  # as in Kafka
metrics.port   = 9_109   # behind the firewall
  evidence.enabled = true
evidence.quality=90

# Pictures are for the day shift.
shadow.bundle = 'c:\\candidate.onnx'
topics.frames = "f"

[cameras.top-1]
mm_per_px = 0.5  # measured
"""
    assert migrated(file, before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "evidence_quality = 90  # fine\n\n[evidence]\nenabled = true\n\n# Of the plant.\n[topics]\nframes = 'f'\n",
            "\n[evidence]\nenabled = true\nquality = 90  # fine\n\n# Of the plant.\n[topics]\nframes = 'f'\n",
        ),
        ("evidence_quality = 90\n[evidence]\n# none\n[topics]\n", "[evidence]\nquality = 90\n# none\n[topics]\n"),
        ("evidence_quality = 90\n[evidence]\nenabled = true", "[evidence]\nenabled = true\nquality = 90\n"),
        (
            "# other\n\n# why\n  # so\nevidence_quality=90\n# of the group\ngroup_id='g'\n[evidence]\nenabled=true\n",
            "# other\n\n# of the group\ngroup_id='g'\n[evidence]\nenabled=true\n# why\n  # so\nquality=90\n",
        ),
        (
            "# why\r\nevidence_quality  = 90\r\n\r\n[evidence]\r\nenabled = true",
            "\r\n[evidence]\r\nenabled = true\r\n# why\r\nquality  = 90\r\n",
        ),
        (
            "# why\r\nevidence_quality = 90 # so\r\ngroup_id = 'g'\r\n# on\r\nevidence = {enabled = true}",
            "group_id = 'g'\r\n# on\r\n# why\r\n# so\r\nevidence = {enabled = true, quality = 90}",
        ),
        (
            "evidence_quality = 90 # fine\nevidence = {enabled = true}\n",
            "# fine\nevidence = {enabled = true, quality = 90}\n",
        ),
        (
            "evidence.enabled = true\ngroup_id = 'g'\nevidence_quality = 90\n",
            "evidence.enabled = true\ngroup_id = 'g'\nevidence.quality = 90\n",
        ),
        ("metrics_port = 1\r\n# why\r\nlog_level = 'info'", "metrics.port = 1\r\n# why\r\nlog.level = 'info'"),
    ],
    ids=[
        "a table",
        "an empty table",
        "a table without a line end",
        "a comment above",
        "a table with line ends of Windows",
        "comments and a table in braces",
        "a table in braces",
        "a dotted key",
        "line ends of Windows",
    ],
)
def test_merges_old_keys_into_existing_sections(file: Path, before: str, after: str) -> None:
    file.write_bytes(before.encode())
    migrate_file(file)
    assert file.read_bytes().decode() == after


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_migration_keeps_the_meaning_of_any_old_keys(file: Path, data: st.DataObject) -> None:
    """New keys appear before, between or after the old ones, as dotted keys or as tables."""
    old = data.draw(st.lists(st.sampled_from(sorted(RENAMES)), unique=True, min_size=1))
    new = [key for key in RENAMES if key not in old and data.draw(st.booleans())]
    free = [key for key in new if RENAMES[key].split(".")[0] not in old]  # else TOML has one key twice
    as_table = {section for section in sorted({RENAMES[key].split(".")[0] for key in free}) if data.draw(st.booleans())}
    lines = [f"{key}{data.draw(st.sampled_from([' = ', '=', '   =  ']))}{VALUES[key]}" for key in old]
    dotted = [key for key in free if RENAMES[key].split(".")[0] not in as_table]
    lines += [f"{RENAMES[key]} = {VALUES[key]}" for key in dotted]
    extra = st.sampled_from(["", "# a comment", 'group_id = "g"'])
    lines = data.draw(st.permutations([*lines, data.draw(extra), *data.draw(st.sampled_from([[], [""], ["# more"]]))]))
    ends = [data.draw(st.sampled_from(["", "  # why", " "])) if line and "#" not in line else "" for line in lines]
    text = "\n".join(line + end for line, end in zip(lines, ends, strict=True)) + "\n"
    for section in sorted(as_table):
        names = [key for key in free if RENAMES[key].split(".")[0] == section]
        text += f"[{section}]\n" + "".join(f"{RENAMES[key].split('.')[1]} = {VALUES[key]}\n" for key in names)
    text += data.draw(st.sampled_from(["", TABLES]))

    file.with_name(f"{file.name}.bak").unlink(missing_ok=True)
    after = migrated(file, text)
    assert load_settings(file, {}) == meaning(text)
    assert sorted(line.partition("#")[2] for line in after.splitlines() if "#" in line) == sorted(
        line.partition("#")[2] for line in text.splitlines() if "#" in line
    )
    assert migrate_file(file).renamed == {}
    assert file.read_text() == after


@pytest.mark.parametrize("text", ["", "# nothing\n", 'group_id = "g"\r\n', "[evidence]\nenabled = true", "bundel = 1"])
def test_does_not_touch_a_file_without_old_keys(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    file.chmod(0o444)
    before = file.stat()
    problem = "unknown setting 'bundel'; did you mean 'bundle'?" if "bundel" in text else None
    assert migrate_file(file) == migration.Migration(file, {}, None, problem)
    after = file.stat()  # reading may change the time of access
    assert file.read_bytes() == text.encode()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert list(file.parent.iterdir()) == [file]


def test_rejects_a_key_that_is_set_under_both_names(file: Path) -> None:
    text = "metrics_port = 1\nlog_level = 'info'\nlog_format = 'json'\n[metrics]\nport = 1\n[log]\nlevel = 'info'\n"
    assert migration_error(file, text) == (
        f"{file} sets both 'metrics_port' and 'metrics.port', and both 'log_level' and 'log.level', "
        "which are the same; remove one of each"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Metrics_Port = 1\nMETRICS.port = 2", "sets both 'Metrics_Port' and 'METRICS.port'"),
        ("evidence = true\nEvidence = false", "sets both 'evidence' and 'Evidence'"),
        ("metrics_port = 1\n[Metrics]\n[metrics]", "sets both 'Metrics' and 'metrics'"),
    ],
)
def test_rejects_colliding_keys_in_different_case(file: Path, text: str, sentence: str) -> None:
    assert migration_error(file, text) == f"{file} {sentence}, which are the same; remove one of each"


def test_renames_keys_in_other_case_into_the_sections_of_the_file(file: Path) -> None:
    before = "Evidence=true\nMETRICS_PORT=1\nlog_format='json'\nLog.level='error'\n[Metrics]\nhost='h'\n"
    after = "evidence.enabled=true\nLog.format='json'\nLog.level='error'\n[Metrics]\nhost='h'\nport=1\n"
    assert migrated(file, before) == after
    settings = load_settings(file, {})
    assert (settings.evidence.enabled, settings.metrics.port, settings.metrics.host) == (True, 1, "h")
    assert (settings.log.format, settings.log.level) == ("json", "error")


@pytest.mark.parametrize(
    ("text", "after", "sentence"),
    [
        (
            "metrics_port = 1\nbatch_frames_max = 0",
            "metrics.port = 1\nbatch_frames_max = 0",
            "setting 'batch_frames_max' must be an integer from 1 to 1024 (got 0)",
        ),
        (
            "metrics_port = 1\nbundel = 'a'",
            "metrics.port = 1\nbundel = 'a'",
            "unknown setting 'bundel'; did you mean 'bundle'?",
        ),
        (
            "metrics_port = 70_000",
            "metrics.port = 70_000",
            "setting 'metrics.port' must be an integer from 0 to 65535 (got 70000)",
        ),
        (
            "metrics_port = 1\n[security]\nprotocol = 'SASL_SSL'\nmechanism = 'PLAIN'\nusername = 'u'",
            "metrics.port = 1\n[security]\nprotocol = 'SASL_SSL'\nmechanism = 'PLAIN'\nusername = 'u'",
            "setting 'security': the mechanisms PLAIN and SCRAM require username and either password or "
            "password_file; other mechanisms accept none of them",
        ),
        (
            "metrics_port = 1\nGROUP_ID = 'a'\ngroup_id = 'b'",
            "metrics.port = 1\nGROUP_ID = 'a'\ngroup_id = 'b'",
            "settings 'GROUP_ID' and 'group_id' are the same; remove one",
        ),
    ],
)
def test_reports_other_errors_and_renames_the_keys(file: Path, text: str, after: str, sentence: str) -> None:
    file.write_text(text)
    assert migrate_file(file).still_invalid == sentence
    assert file.read_text() == after


@pytest.mark.parametrize("text", ["metrics_port = 1\nmetrics = 2", "metrics_port = 1\n[[metrics]]\nport = 2"])
def test_does_not_touch_a_file_that_cannot_be_rewritten(file: Path, text: str) -> None:
    assert f"cannot rewrite {file}" in migration_error(file, text)


def test_an_old_variable_does_not_make_the_file_invalid(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPWATCH_METRICS_PORT", "9108")
    file.write_text("evidence = true")
    assert migrate_file(file).still_invalid is None
    monkeypatch.setenv("STRIPWATCH_EVIDENCE", "true")
    file.write_text("evidence_quality = 90")
    assert migrate_file(file).still_invalid is None
    assert file.read_text() == "evidence.quality = 90"
