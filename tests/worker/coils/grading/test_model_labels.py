import itertools

from stripwatch.worker.coils.grading.model_labels import ModelLabels


def test_reports_no_missing_class_before_a_model_is_known() -> None:
    labels = ModelLabels()
    labels.add(frozenset())  # a skipped frame has no scores
    assert labels.missing({"scratch"}) == []


def test_reports_classes_that_no_model_has() -> None:
    labels = ModelLabels()
    labels.add(frozenset({"clean", "scratch"}))
    assert labels.missing(["scratsh", "crack", "scratch"]) == ["crack", "scratsh"]
    labels.add(frozenset({"clean", "crack"}))  # the model of another line
    assert labels.missing(["scratsh", "crack", "scratch"]) == ["scratsh"]


def test_memory_is_bounded_for_any_number_of_models() -> None:
    labels = ModelLabels()
    for number in range(10_000):
        labels.add(frozenset({f"class {number}"}))
    assert labels.missing(["class 0", "class 9999"]) == ["class 9999"]


def test_memory_is_bounded_for_any_number_of_sets_of_the_same_classes() -> None:
    """A sender decides which classes a result states."""
    labels = ModelLabels()
    names = [f"class {number}" for number in range(200)]
    for first, second in itertools.combinations(names, 2):
        labels.add(frozenset({first, second}))
    assert sum(map(len, vars(labels).values())) == len(names)
