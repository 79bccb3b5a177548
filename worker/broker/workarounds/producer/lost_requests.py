"""A transactional producer loses a request when its connection drops.

Version: kafka-python 3.0.12
Symptom: If connecting to the coordinator raises, the request is neither sent nor put back in the queue. The call that
    waits for it, usually a commit, waits forever.
Workaround: Put the request back in the queue.
Shown by: test_kafka_python_loses_a_request_that_was_not_sent
"""

from typing import Any

from kafka import KafkaProducer


def keep_requests(producer: KafkaProducer) -> None:
    """Make a producer put requests that were not sent back in the queue."""
    keep_requests_of(producer._sender, producer._transaction_manager)


def keep_requests_of(sender: Any, manager: Any) -> None:
    """Patch a sender and its transaction manager. Only the sender thread uses them, one request at a time."""
    take, send = manager.next_request_handler, sender._maybe_send_pending_request
    taken: list[Any] = []

    def take_and_note(has_incomplete_batches: bool) -> Any:
        taken[:] = [take(has_incomplete_batches)]
        return taken[0]

    def send_or_put_back() -> bool:
        taken.clear()
        sent: bool = send()
        for request in taken:
            if request is not None and _is_lost(request, manager):
                manager.retry(request)
        return sent

    manager.next_request_handler = take_and_note
    sender._maybe_send_pending_request = send_or_put_back


def _is_lost(request: Any, manager: Any) -> bool:
    with manager._lock:
        waiting = any(pending is request for _, _, pending in manager._pending_requests)
        return not (waiting or request.result.is_done or manager.has_in_flight_transactional_request())
