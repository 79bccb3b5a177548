"""Checks of grey levels: frames that show nothing, and outliers in brightness, contrast and sharpness."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stripwatch.training.findings.checked_data import CheckedData
from stripwatch.training.preparation.finding import Finding, counted, make_finding, some
from stripwatch.training.preparation.frame_facts import SURVEYED, FrameFacts
from stripwatch.worker.images.image_statistics import Statistic

_BLANK_CONTRAST = 1.0
_DARK_BRIGHT, _OVEREXPOSED_MEDIAN = 25, 250  # grey levels: 10 % of the range, and nearly its end
_SCORE_MAX = 3.5
_FACTOR_MIN = 1.5
_CLASS_IMAGES_MIN = 10
_FLOOR = 1e-3  # statistics are at least this, so that they have a logarithm
_WORDS = {"brightness": ("darker", "brighter"), "contrast": ("less contrast", "more contrast"),
          "sharpness": ("more blurred", "sharper")}  # fmt: skip

Values = NDArray[np.float64]


def check_grey_levels(data: CheckedData) -> Iterator[Finding]:
    """Yield findings about images that are blank, nearly black, blown out, or unlike the others of their class."""
    facts = [digest.facts for digest in data.frames.digests]
    known = [(at, each) for at, each in enumerate(facts) if each is not None]
    if not known:
        return
    yield from _useless(data, known)
    usable = [(at, each) for at, each in known if each.statistics.contrast >= _BLANK_CONTRAST]
    for statistic in SURVEYED:
        yield from _outliers(data, usable, statistic)


def _useless(data: CheckedData, known: Sequence[tuple[int, FrameFacts]]) -> Iterator[Finding]:
    blank = [at for at, each in known if each.statistics.contrast < _BLANK_CONTRAST]
    others = [(at, each) for at, each in known if each.statistics.contrast >= _BLANK_CONTRAST]
    dark = [at for at, each in others if each.bright <= _DARK_BRIGHT]
    white = [at for at, each in others if each.median >= _OVEREXPOSED_MEDIAN]
    for code, found, text in (
        ("blank-frames", blank, "blank, with one grey value"),
        ("dark-frames", dark, "nearly black"),
        ("overexposed-frames", white, "blown out"),
    ):
        if found:
            names = data.names(found)
            are = "is" if len(found) == 1 else "are"
            yield make_finding(code, f"{counted(len(found), 'image')} {are} {text}: {some(names)}", names)


def _outliers(data: CheckedData, known: Sequence[tuple[int, FrameFacts]], statistic: Statistic) -> Iterator[Finding]:
    values = np.full(len(data.frames.samples), np.nan)
    for at, each in known:
        values[at] = max(getattr(each.statistics, statistic), _FLOOR)
    found: dict[int, float] = {}
    for members in data.members.values():  # few images do not show what is usual for their class
        scores = outlier_scores(values[members], values[members])
        found |= {at: score for at, score in zip(members, scores.tolist(), strict=True) if score}
    if found:
        names = data.names(sorted(found, key=lambda at: -abs(found[at])))
        counts = sum(score < 0 for score in found.values()), sum(score > 0 for score in found.values())
        parts = [f"{count:,} {word}" for count, word in zip(counts, _WORDS[statistic], strict=True) if count]
        what = f"{statistic} outliers among the images of their class ({', '.join(parts)}): {some(names)}"
        yield make_finding(f"{statistic}-outliers", what, names)


def outlier_scores(values: Values, reference: Values) -> Values:
    """Return the modified z-score of each outlier by logarithm, 0 for other values, [n].

    A value is an outlier if its score exceeds 3.5 (Iglewicz and Hoaglin 1993, "How to Detect and Handle Outliers",
    https://www.itl.nist.gov/div898/handbook/eda/section3/eda35h.htm) and it differs from the median by a factor of at
    least 1.5. The factor keeps sets with hardly any spread from having outliers that nobody can see. The logarithm is
    used because the statistics are positive and skewed.

    values: positive, [n]; NaN never counts as an outlier. reference: values of similar images; NaN is ignored.
    """
    logs = np.log(reference[~np.isnan(reference)])
    if len(logs) < _CLASS_IMAGES_MIN:
        return np.zeros(len(values))
    median = np.median(logs)
    spread = np.median(np.abs(logs - median))
    away = np.nan_to_num(np.log(values) - median)
    scores = 0.6745 * away / max(spread, 1e-9)
    outlying = (np.abs(scores) > _SCORE_MAX) & (np.abs(away) >= np.log(_FACTOR_MIN))
    return np.asarray(np.where(outlying, scores, 0.0))
