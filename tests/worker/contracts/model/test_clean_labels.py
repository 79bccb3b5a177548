import pytest

from stripwatch.worker.contracts.model.clean_labels import likely_clean, no_clean_verdict


@pytest.mark.parametrize(
    ("task", "labels", "clean_label", "warned"),
    [
        ("multiclass", ["pits", "scratches"], None, True),
        ("multiclass", ["clean", "pits"], "clean", False),
        ("multiclass", ["anomaly", "ok"], "ok", False),  # an anomaly model
        ("multilabel", ["pits", "scratches"], None, False),  # no label at all means "no defect"
    ],
)
def test_warns_of_a_model_that_never_gives_the_verdict_clean(
    task: str, labels: list[str], clean_label: str | None, warned: bool
) -> None:
    assert (no_clean_verdict(task, labels, clean_label) is not None) is warned


def test_suggests_the_label_that_seems_to_be_clean_strip() -> None:
    warning = no_clean_verdict("multiclass", ["No_Defect", "pits"], None)
    assert warning is not None
    assert warning.endswith("'No_Defect' seems to be clean strip: fit again with --clean-label 'No_Defect'")
    warning = no_clean_verdict("multiclass", ["pits", "scratches"], None)
    assert warning is not None
    assert "add images of clean strip" in warning


def test_knows_the_usual_names_of_clean_strip() -> None:
    assert likely_clean(["Good", "pits", "no-defect", "OK ", "cleaning marks"]) == ["Good", "no-defect", "OK "]
