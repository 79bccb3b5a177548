"""Whether a model can give the verdict clean, and the names that classes of clean strip usually have."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_CLEAN = "clean"
_SEPARATORS = re.compile(r"[\s_-]+")
_USUAL_KEYS = frozenset({_CLEAN, "good", "ok", "normal", "no defect", "defect free", "none", "clear"})


def label_key(label: str) -> str:
    """Return a text that is the same for labels that look alike.

    NFKC makes composed and decomposed accents equal (https://unicode.org/reports/tr15/).
    """
    plain = unicodedata.normalize("NFKC", label).strip()
    return unicodedata.normalize("NFKC", _SEPARATORS.sub(" ", plain).casefold())


def likely_clean(labels: Iterable[str]) -> list[str]:
    """Return the labels whose names usually mean "no defect", such as "clean", "OK" and "no_defect"."""
    return [label for label in labels if label_key(label) in _USUAL_KEYS]


def no_clean_verdict(task: str, labels: Sequence[str], clean_label: str | None) -> str | None:
    """Return a warning, with the remedy, if a model never gives the verdict clean; None if it can.

    A multilabel model gives it if no label reaches its threshold, so it needs no label for clean strip.

    Args:
        task: "multiclass" or "multilabel". An anomaly model is a multiclass model with a clean label.
        labels: All labels of the model.
        clean_label: The label that means "no defect"; None if there is none.
    """
    if task != "multiclass" or clean_label is not None:
        return None
    consequence = 'no label means "no defect", so every frame of clean strip becomes a defect or unsure'
    if named := likely_clean(labels):
        return f"{consequence}; {named[0]!r} seems to be clean strip: fit again with --clean-label {named[0]!r}"
    return (
        f"{consequence}; add images of clean strip with a label of their own, such as {_CLEAN!r}, and fit again with "
        f"--clean-label {_CLEAN}"
    )
