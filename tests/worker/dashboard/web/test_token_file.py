"""The token file: its lines, its permissions, and changes while the page runs."""

from pathlib import Path

import pytest
import structlog

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.dashboard.web.token_file import TokenFile, clean_name, parse_tokens

ONE, TWO = "first-token-1234", "second-token-1234"


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_reads_one_token_for_all() -> None:
    tokens = parse_tokens(f"\n# for the shift\n{ONE}\n")
    assert (tokens.shared, tokens.owner(ONE), tokens.owner(TWO), tokens.owner("")) == (True, "", None, None)


def test_reads_a_token_per_person_and_several_of_one_person() -> None:
    tokens = parse_tokens(f"Ada  Lovelace : {ONE}\r\nJürgen:{TWO}\nJürgen:third-token-1234")
    assert not tokens.shared
    assert [tokens.owner(token) for token in (ONE, TWO, "third-token-1234")] == ["Ada Lovelace", "Jürgen", "Jürgen"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "no token"),
        ("# only a comment", "no token"),
        ("short", "line 1"),
        (f"Ada:{ONE}\nBob:short", "line 2"),
        (f"Ada:{ONE}\n{TWO}", "not all have names"),
        (f"{ONE}\n{TWO}", "not all have names"),
        (f"Ada:{ONE}\nBob:{ONE}", "line 2"),
        (f":{ONE}", "line 1 has no name"),
        (f"{'x' * 61}:{ONE}", "line 1 has no name"),
        ("two words in a token", "without spaces"),
        ("tökën-with-umlauts", "ASCII"),
        ("x" * 501, "12 to 500"),
    ],
)
def test_an_invalid_file_names_the_line_but_not_the_token(text: str, names: str) -> None:
    with pytest.raises(ValueError, match=names) as refused:
        parse_tokens(text)
    assert not any(line.rpartition(":")[2] in str(refused.value) for line in text.splitlines() if len(line) > 11)


def test_refuses_a_missing_binary_or_huge_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, tmp_path / "\0"):
        with pytest.raises(SettingsError, match=r"cannot read view\.token_file"):
            TokenFile(path)
    for content in (b"\xff\xfe" * 20, b"#" * 65_537):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(SettingsError, match=r"view\.token_file .* is invalid"):
            TokenFile(tmp_path / "file")


def test_refuses_a_file_that_every_user_can_change(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="chmod 640"):
        TokenFile(written(tmp_path / "tokens", ONE, 0o602))


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_warns_of_a_file_that_every_user_can_read(tmp_path: Path, mode: int, warned: bool) -> None:
    with structlog.testing.capture_logs() as logs:
        TokenFile(written(tmp_path / "tokens", ONE, mode))
    assert [entry["log_level"] for entry in logs] == ["warning"] * warned


def test_a_changed_file_counts_at_once(tmp_path: Path) -> None:
    path = written(tmp_path / "tokens", ONE)
    file = TokenFile(path)
    written(tmp_path / "new", TWO).replace(path)
    assert (file.tokens.owner(ONE), file.tokens.owner(TWO)) == (None, "")


def test_a_file_that_becomes_invalid_has_no_tokens_until_it_is_fixed(tmp_path: Path) -> None:
    path = written(tmp_path / "tokens", ONE)
    file = TokenFile(path)
    with structlog.testing.capture_logs() as logs:
        for breaking in (lambda: path.write_text("short"), path.unlink, lambda: written(path, ONE, 0o666)):
            breaking()
            assert [file.tokens.owner(ONE) for _ in range(3)] == [None] * 3
    assert [entry["event"] for entry in logs] == ["tokens rejected"] * 3, "once per change"
    path.chmod(0o600)
    assert file.tokens.owner(ONE) == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  Ada \u00a0 L. ", "Ada L."),
        ("Ju\u0308rgen", "Jürgen"),
        ("a\x00b", ""),
        ("\u202eabc", ""),
        ("x" * 61, ""),
        ("", ""),
        ("=HYPERLINK(1)", ""),
        ("@Ada", ""),
    ],
)
def test_cleans_names(text: str, name: str) -> None:
    assert clean_name(text) == name
