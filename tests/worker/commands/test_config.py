"""The command `stripwatch config migrate`."""

from pathlib import Path

from tests.worker.conftest import CommandLine, last_json


def test_reports_the_renamed_keys_and_then_that_nothing_is_left_to_change(
    tmp_path: Path, command_line: CommandLine
) -> None:
    file = tmp_path / "worker.toml"
    file.write_text("metrics_port = 9109  # behind the firewall\nevidence = true\n")
    code, stdout, stderr = command_line("config", "migrate", file)
    assert code == 0, stderr
    assert last_json(stdout) == {
        "file": str(file),
        "backup": f"{file}.bak",
        "renamed": {"metrics_port": "metrics.port", "evidence": "evidence.enabled"},
        "still_invalid": None,
    }
    assert file.read_text() == "metrics.port = 9109  # behind the firewall\nevidence.enabled = true\n"
    assert "metrics_port is now metrics.port" in stderr
    code, stdout, stderr = command_line("config", "migrate", file)
    assert code == 0
    assert last_json(stdout) == {"file": str(file), "backup": None, "renamed": {}, "still_invalid": None}
    assert "contains no renamed keys" in stderr


def test_errors_give_one_sentence_and_an_exit_code(tmp_path: Path, command_line: CommandLine) -> None:
    file = tmp_path / "worker.toml"
    code, stdout, stderr = command_line("config", "migrate", file)
    assert (code, stdout, stderr) == (6, "", f"error: settings file {file} does not exist\n")
    file.write_text("metrics_port = 1\nmetrics.port = 2")
    code, stdout, stderr = command_line("config", "migrate", file)
    assert (code, stdout) == (2, "")
    assert "'metrics_port' and 'metrics.port'" in stderr


def test_warns_of_other_errors_in_the_file(tmp_path: Path, command_line: CommandLine) -> None:
    file = tmp_path / "worker.toml"
    file.write_text("metrics_port = 1\ngroup_id = 2\n")
    file.with_name("worker.toml.bak").touch()
    code, stdout, stderr = command_line("config", "migrate", file)
    assert (code, file.read_text()) == (0, "metrics.port = 1\ngroup_id = 2\n")
    assert last_json(stdout)["still_invalid"] == "setting 'group_id' must be a string that is not empty (got 2)"
    assert f"the old file is {file}.bak.1" in stderr
    assert f"warning: {file} is still invalid: setting 'group_id'" in stderr
