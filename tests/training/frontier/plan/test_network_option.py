import pytest

from stripwatch.training.frontier.plan.network_option import NetworkChoice, parse_networks
from stripwatch.worker.common.errors import SettingsError


def test_reads_names_and_options() -> None:
    assert parse_networks(["mobilenet:alpha=0.25,weights=a,b.h5", "deep=inceptionv3:cut=mixed8", "vgg19"]) == [
        NetworkChoice("mobilenet", "mobilenet", 0.25, "a,b.h5"),
        NetworkChoice("deep", "inceptionv3", cut="mixed8"),
        NetworkChoice("vgg19", "vgg19"),
    ]


def test_a_windows_path_keeps_its_colon() -> None:
    assert parse_networks(["vgg19:weights=c:\\w.h5"])[0].weights == "c:\\w.h5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a valid name"),
        ("a/b", "'a/b' is not a valid name"),
        ("vgg19:epochs=3", "'epochs=3' is not KEY=VALUE with one of the keys alpha, weights, cut"),
        ("vgg19:weights=", "'weights=' is not KEY=VALUE"),
        ("vgg19:alpha=wide", "alpha=wide is not a number"),
        ("vgg19:cut=a,cut=b", "cut is given twice"),
        ("vgg19:weights=none", "random weights have no features to compare"),
    ],
)
def test_names_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_networks([text])
    assert message in str(raised.value)


def test_reports_all_problems_at_once() -> None:
    with pytest.raises(SettingsError, match=r"(?s)alpha=x.*'vgg19' is given 2 times; use NAME=NETWORK"):
        parse_networks(["a:alpha=x", "vgg19", "vgg19:cut=b"])
