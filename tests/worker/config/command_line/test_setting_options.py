"""Settings as options of a command."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stripwatch.worker.cli import COMMANDS
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.command_line.cli_options import security_of, settings_of
from stripwatch.worker.config.command_line.setting_options import SettingsCommand
from stripwatch.worker.config.overrides import names_of_pairs, parse_pairs
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.service.core_layout import CoreLayout
from stripwatch.worker.service.supervisor import worker_command
from tests.worker.conftest import CommandLine


def command(name: str) -> SettingsCommand:
    (row,) = (row for row in COMMANDS if row.name == name)
    loaded = row.load()
    assert isinstance(loaded, SettingsCommand)
    return loaded


RUN = command("run")


def settings(*words: str) -> dict[str, Any]:
    """Return the settings that `stripwatch run` gets from these words, without its own options."""
    return parse_pairs([word for word in RUN.with_pairs(words) if word != "--set"])


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--metrics.port", "9109"], {"metrics": {"port": "9109"}}),
        (["--metrics.port=9109"], {"metrics": {"port": "9109"}}),
        (["--deadline-ms", "50"], {"deadline_ms": "50"}),
        (["--deadline_ms=50"], {"deadline_ms": "50"}),
        (["--Evidence.Per-Minute-Max", "5"], {"evidence": {"per_minute_max": "5"}}),
        (["--cameras.top-1.mm_per_px", "0.4"], {"cameras": {"top-1": {"mm_per_px": "0.4"}}}),
        (["--cameras.Halle.3.mm-per-px=0.4"], {"cameras": {"Halle.3": {"mm_per_px": "0.4"}}}),
        (['--cameras."a b".side=top'], {"cameras": {"a b": {"side": "top"}}}),
        (["--cameras.a.lane_offset_mm", "-3.5"], {"cameras": {"a": {"lane_offset_mm": "-3.5"}}}),
        (["--thresholds.scratch.sure", "0.8"], {"thresholds": {"scratch": {"sure": "0.8"}}}),
        (["--severity.scratch", "major"], {"severity": {"scratch": "major"}}),
        (["--evidence.enabled"], {"evidence": {"enabled": "true"}}),
        (
            ["--evidence.enabled", "--review.enabled", "off"],
            {"evidence": {"enabled": "true"}, "review": {"enabled": "off"}},
        ),
        (["--no-evidence.enabled"], {"evidence": {"enabled": "false"}}),
        (["--static-membership", "false"], {"static_membership": "false"}),
        (["--metrics.certificate_file="], {"metrics": {"certificate_file": ""}}),
        (["--instance-id", "7"], {"instance_id": "7"}),
        (["--set", "metrics.port=1", "--metrics.port", "2"], {"metrics": {"port": "2"}}),
        (["--metrics.port", "2", "--set", "metrics.port=1"], {"metrics": {"port": 1}}),
    ],
)
def test_a_setting_is_an_option(words: list[str], found: dict[str, Any]) -> None:
    assert settings(*words) == found


def test_an_option_of_the_command_keeps_its_meaning_and_its_value() -> None:
    words = [
        "--group-id",
        "a",
        "--config",
        "worker.toml",
        "--bundle=b",
        "--metrics-port",
        "1",
        "--set",
        "commit_ms=100",
    ]
    assert RUN.with_pairs(words) == words
    assert RUN.with_pairs(["--group-id", "a", "--deadline-ms", "5"])[2:] == ["--set", "--deadline-ms=5"]


def test_words_after_two_hyphens_are_not_options() -> None:
    assert RUN.with_pairs(["--", "--metrics.port"]) == ["--", "--metrics.port"]


def test_a_switch_leaves_the_argument_after_it_alone() -> None:
    found = command("inspect").with_pairs(["--evidence.enabled", "photos", "--out", "o"])
    assert found == ["--set", "--evidence.enabled=true", "photos", "--out", "o"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--metrics.prot", "1"], "no such option '--metrics.prot'; did you mean '--metrics.port'?"),
        (["--bundel", "1"], "no such option '--bundel'; did you mean '--bundle'?"),
        (["--deadline", "1"], "no such option '--deadline'; did you mean '--deadline_ms'?"),
        (["--cameras.a.mm_per_pixel=1"], "no such option '--cameras.a.mm_per_pixel'"),
        (["--qqqqqqqq"], "no such option '--qqqqqqqq'"),
        (["--metrics", "1"], "option '--metrics' names a section; set one of its settings, as in --metrics.host"),
        (["--cameras.a", "1"], "option '--cameras.a' names a section; set one of its settings"),
        (["--metrics.port"], "option '--metrics.port' requires a value, as in --metrics.port=VALUE"),
        (["--metrics.port", "--review.enabled"], "option '--metrics.port' requires a value"),
        (["--no-metrics.port"], "no such option '--no-metrics.port'"),
    ],
)
def test_a_wrong_option_is_named_with_the_right_one(words: list[str], error: str) -> None:
    with pytest.raises(SettingsError) as raised:
        RUN.with_pairs(words)
    assert str(raised.value).startswith(error)


def test_a_wrong_option_gives_one_line_and_exit_code_2(command_line: CommandLine) -> None:
    code, stdout, stderr = command_line("check", "--metrics.prot", "1")
    assert (code, stdout) == (2, "")
    assert stderr == (
        "error: no such option '--metrics.prot'; did you mean '--metrics.port'? See 'stripwatch check --help'\n"
    )


def commands_with_settings() -> Iterator[str]:
    for row in COMMANDS:
        if any("--set" in parameter.opts for parameter in row.load().params):
            yield row.name


def test_every_command_with_set_accepts_all_settings_as_options() -> None:
    found = list(commands_with_settings())
    assert {"run", "check", "inspect", "view", "report", "coils", "topics", "bench", "simulate", "replay"} <= {*found}
    for name in found:
        assert command(name).with_pairs(["--security.username", "u"]) == ["--set", "--security.username=u"]


def test_the_help_states_the_rule_and_does_not_list_all_settings(command_line: CommandLine) -> None:
    code, page, _ = command_line("run", "--help")
    assert code == 0
    assert "Every setting can be given as an option, such as --evidence.enabled true" in " ".join(page.split())
    assert "'stripwatch config show' lists all settings" in " ".join(page.split())
    assert "side_px_max" not in page


def test_the_help_of_a_command_that_only_connects_names_only_security_settings(command_line: CommandLine) -> None:
    code, page, _ = command_line("topics", "--help")
    assert code == 0
    assert "such as --security.protocol SSL" in " ".join(page.split())
    assert "Every setting" not in page


def test_errors_name_the_option_as_it_was_written(tmp_path: Path) -> None:
    pairs = ["--Log.level=loud", "commit_ms=1", "topics = {frames='a b'}"]
    with pytest.raises(SettingsError) as raised:
        settings_of(None, pairs, metrics={"port": 70_000})
    assert [line.partition(": setting")[0].strip() for line in str(raised.value).splitlines()[1:]] == [
        "option --set topics",
        "option --set commit_ms",
        "option --metrics-port",
        "option --Log.level",
    ]


def test_the_quiet_level_of_a_command_does_not_hide_a_wrong_level(tmp_path: Path) -> None:
    config = tmp_path / "worker.toml"
    config.write_text('log.level = "loud"')
    with pytest.raises(SettingsError, match=r"worker\.toml:1: setting 'log\.level' must be 'debug', 'info'"):
        settings_of(config, None, quiet=True)


def test_names_of_pairs_are_by_keys() -> None:
    assert names_of_pairs(["--metrics.port=1", "cameras.a={side='top'}"]) == {
        ("metrics", "port"): "--metrics.port",
        ("cameras", "a", "side"): "--set cameras.a",
    }


def test_commands_that_only_connect_take_only_the_security_settings() -> None:
    assert security_of(None, ["--security.protocol=SSL"]).protocol == "SSL"
    with pytest.raises(SettingsError, match=r"reads only security\.\* of the settings, not commit_ms"):
        security_of(None, ["--commit-ms=100"])
    with pytest.raises(SettingsError, match=r"'security\.password' cannot be a flag"):
        security_of(None, ["--security.password=x"])


def test_a_supervisor_passes_options_on_and_overrides_them_for_each_process() -> None:
    arguments = ["run", "--processes", "2", "--metrics.host=0.0.0.0", "--evidence.enabled"]
    words = worker_command(arguments, "name-0", 0, 9999, CoreLayout(2, 3, 4))
    words = RUN.with_pairs(words[words.index("run") + 1 :])
    pairs = [pair for option, pair in itertools.pairwise(words) if option == "--set"]
    found = Settings.model_validate(parse_pairs(pairs))
    assert (found.processes, found.metrics.host, found.instance_id) == (1, "127.0.0.1", "name-0")
    assert (found.evidence.enabled, found.inference_threads, found.decode_threads) == (True, 3, 4)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["topics", "--bootstrap-servers", "kafka"], "--bootstrap-servers must be HOST:PORT[,HOST:PORT...]"),
        (["topics", "--bootstrap-servers", "kafka:99999"], "--bootstrap-servers must be HOST:PORT[,HOST:PORT...]"),
        (["simulate", "--bootstrap-servers", "http://k:1"], "'http://k:1' is not HOST:PORT; leave out the protocol"),
        (["replay", "d", "--bootstrap-servers", "k:1", "--topic", "a b"], "--topic must be a topic name"),
        (["rejects", "list", "--bootstrap-servers", "k:1", "--rejects-topic", ".."], "--rejects-topic must be a topic"),
        (["demo", "--broker", "::1:9092"], "write an IPv6 address in brackets, as in [::1]:9092"),
        (
            ["report", "--bootstrap-servers", "k"],
            "option --bootstrap-servers: setting 'bootstrap_servers' must be HOST",
        ),
    ],
)
def test_names_for_kafka_are_checked_before_anything_else(
    words: list[str], error: str, command_line: CommandLine
) -> None:
    code, stdout, stderr = command_line(*words)
    assert (code, stdout) == (2, "")
    assert error in stderr
    assert len(stderr.splitlines()) == 1
