"""Every check of /readyz has a sentence about what is wrong when it fails."""

from stripwatch.worker.monitoring.failing_checks import explain_failing
from stripwatch.worker.service.readiness import Readiness


def test_says_what_is_wrong_only_for_checks_that_fail() -> None:
    checks = {"broker_connected": False, "group_joined": True, "topic_writable:results": False, "process_1": False}
    assert explain_failing(checks) == {
        "broker_connected": "there is no connection to Kafka",
        "topic_writable:results": "the topic results cannot be written",
        "process_1": "process 1 is not ready",
    }


def test_every_check_of_a_worker_has_its_own_sentence() -> None:
    names = Readiness().checks()
    texts = explain_failing(dict.fromkeys([*names, "caught_up"], False))
    assert len(set(texts.values())) == len(names) + 1
    assert not any(name in text for name, text in texts.items())
    assert explain_failing({"another": False}) == {"another": "the check another fails"}
