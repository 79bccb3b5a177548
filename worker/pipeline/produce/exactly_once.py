"""Exactly-once delivery: the results of many frames and their offsets in one Kafka transaction (KIP-447).

One thread owns the transaction. While it commits, the earlier stages continue, and their results wait for the next
transaction. A frame is settled when its transaction is committed. If a transaction fails, its outcome is not guessed: a
new producer with the same transactional id makes Kafka decide it, and reading continues at the committed offsets.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from kafka import KafkaProducer
from kafka.errors import FencedInstanceIdError, IllegalGenerationError, KafkaError, KafkaTimeoutError
from kafka.future import Future
from kafka.structs import ConsumerGroupMetadata, MemberState

from stripwatch.worker.broker.consumers import to_kafka
from stripwatch.worker.broker.workarounds.producer.bystanders import BystanderError
from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close, send_or_fail
from stripwatch.worker.broker.workarounds.producer.hidden_failures import fatal_error
from stripwatch.worker.broker.workarounds.producer.split_batches import await_acknowledgements
from stripwatch.worker.common.errors import BrokerUnavailableError, FencedError
from stripwatch.worker.common.process.threads import OwnedThread
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.positions import CommitPoint, Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import AssignmentEpoch, OffsetTracker
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame
from stripwatch.worker.pipeline.produce.producer_recovery import FENCED, DeliveryError, ProducerRecovery
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord, RecordBuilder

_STABLE_S_MAX = 5.0
_STABLE_CHECK_S = 0.005
_BLAME_S_MAX = 1.0
# share of exactly_once.transaction_s_max; below 1, because the clocks of Kafka and of this host differ slightly
_TIMED_OUT_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class TransactionLimits:
    """Limits of a transaction.

    linger_s, frames_max: it is committed at this age or with this many frames. timeout_s: Kafka aborts it after this
    time. send_s_max: how long records may remain unacknowledged.
    """

    linger_s: float
    frames_max: int
    timeout_s: float
    send_s_max: float


class _Sent(NamedTuple):
    future: Future
    record: OutgoingRecord
    frame: Frame


@dataclass(slots=True)
class _Transaction:
    began_s: float
    items: list[OutgoingFrame]
    sent: list[_Sent] = field(default_factory=list)
    offsets: dict[Partition, CommitPoint] = field(default_factory=dict)
    epochs: dict[Partition, AssignmentEpoch] = field(default_factory=dict)


class ExactlyOnce:
    """Publishes frames in transactions, on its own thread.

    group: returns the current group membership of this worker; the broker refuses the offsets of a worker that has left
    the group. failed: called with the error when nothing can be delivered.
    """

    def __init__(
        self,
        records: RecordBuilder,
        tracker: OffsetTracker,
        recovery: ProducerRecovery,
        group: Callable[[], ConsumerGroupMetadata],
        limits: TransactionLimits,
        metrics: Metrics,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._records = records
        self._tracker = tracker
        self._recovery = recovery
        self._group = group
        self._limits = limits
        self._metrics = metrics
        self._queue: queue.SimpleQueue[OutgoingFrame | threading.Event] = queue.SimpleQueue()
        self._transaction: _Transaction | None = None
        self._asked_s: float | None = None
        self._producer: KafkaProducer = recovery.open()
        self._thread = OwnedThread(self._run, "transactions", failed)
        self._thread.start()

    @property
    def waiting_s(self) -> float:
        """Seconds for which Kafka has not answered. kafka-python waits for the end of a transaction without limit."""
        asked_s = self._asked_s
        return 0.0 if asked_s is None else time.monotonic() - asked_s

    def publish(self, outgoing: OutgoingFrame) -> None:
        self._queue.put(outgoing)

    def flush(self, timeout_s: float) -> None:
        """Commit the current transaction. Raises BrokerUnavailableError."""
        done = threading.Event()
        self._queue.put(done)
        deadline_s = time.monotonic() + timeout_s
        while not done.wait(0.05):
            if not self._thread.is_alive() or time.monotonic() > deadline_s:
                raise BrokerUnavailableError(f"the last transaction was not committed within {timeout_s:.0f} s")

    def close(self) -> None:
        force_close(self._producer)

    def _run(self) -> None:
        while True:
            self._step()

    def _step(self) -> None:
        """Take one frame or one request to flush, then commit if it is due."""
        try:
            item = self._queue.get(timeout=self._left_s())
        except queue.Empty:
            item = None
        try:
            if isinstance(item, OutgoingFrame):
                self._add(item)
            if self._transaction and (isinstance(item, threading.Event) or self._due(self._transaction)):
                self._commit(self._transaction)
        except DeliveryError as failure:
            self._start_over(failure)
        except KafkaError as error:
            self._start_over(DeliveryError(error))
        if isinstance(item, threading.Event):
            item.set()

    def _left_s(self) -> float | None:
        if self._transaction is None:
            return None
        return max(0.0, self._transaction.began_s + self._limits.linger_s - time.monotonic())

    def _due(self, transaction: _Transaction) -> bool:
        return self._left_s() == 0.0 or len(transaction.items) >= self._limits.frames_max

    def _add(self, item: OutgoingFrame) -> None:
        position = item.frame.position
        epoch = self._tracker.claim(position)
        if epoch is None:
            item.drop()
            return
        transaction = self._transaction
        if transaction is None:
            transaction = self._transaction = _Transaction(time.monotonic(), [item])
            self._producer.begin_transaction()
        else:
            transaction.items.append(item)
        partition = Partition(position.topic, position.partition)
        transaction.offsets[partition] = CommitPoint(position.next_offset, epoch.commit_metadata)
        if transaction.epochs.setdefault(partition, epoch) != epoch:
            raise DeliveryError(
                IllegalGenerationError("the partition was revoked and assigned again during the transaction")
            )
        for record in self._records.build(item.event, item.frame):
            self._send(transaction, record, item.frame)

    def _send(self, transaction: _Transaction, record: OutgoingRecord, frame: Frame) -> None:
        try:
            future = send_or_fail(
                self._producer,
                record.topic,
                record.body,
                key=record.key,
                headers=record.headers,
                timestamp_ms=self._recovery.clock.stamp_ms(record.frame_ms),
            )
        except KafkaError as error:
            raise DeliveryError(error, record, frame.position) from error
        transaction.sent.append(_Sent(future, record, frame))

    def _commit(self, transaction: _Transaction) -> None:
        """Await the results, add the offsets if the partitions are still assigned, and commit both together.

        Every acknowledgement is checked: kafka-python 3.0.12 commits a transaction although one of its records has
        expired.
        """
        self._asked_s = time.monotonic()
        self._await_acknowledgements(transaction.sent)
        if any(sent.future.failed() for sent in transaction.sent):
            raise DeliveryError(next(sent.future.exception for sent in transaction.sent if sent.future.failed()))
        group = self._stable_group(transaction)
        if not self._tracker.holds(transaction.epochs):
            raise IllegalGenerationError("partitions were revoked during the transaction")
        # For a recreated topic only the results are committed, because the offsets have no meaning in the new topic.
        offsets = {p: point for p, point in transaction.offsets.items() if not self._tracker.is_retired(p)}
        if offsets:
            self._producer.send_offsets_to_transaction(to_kafka(offsets), group)
        self._producer.commit_transaction()
        self._asked_s = None
        self._transaction = None
        self._recovery.delivered()
        self._metrics.transactions.labels("committed").inc()
        for item in transaction.items:
            item.settle()

    def _await_acknowledgements(self, sent: list[_Sent]) -> None:
        """Wait for all acknowledgements. Raises KafkaTimeoutError that names the topics that did not respond.

        A missing topic also delays the acknowledgements of the others.
        """
        try:
            await_acknowledgements(self._producer, [one.future for one in sent], self._limits.send_s_max)
        except KafkaTimeoutError as error:
            topics = sorted({one.record.topic for one in sent if not one.future.is_done})
            raise KafkaTimeoutError(
                f"no acknowledgement from {', '.join(topics)} within {self._limits.send_s_max:g} s"
            ) from error

    def _stable_group(self, transaction: _Transaction) -> ConsumerGroupMetadata:
        """Return the group membership, and wait while the group rebalances, because its generation is about to change.

        Call it before the offset tracker is asked: a worker that joins again has first lost its partitions there. It
        does not wait once the partitions are revoked, since nothing can then be committed and readers of committed
        records would wait too. A membership without a generation is refused here, because the broker would accept it
        without a check.
        """
        deadline_s = time.monotonic() + _STABLE_S_MAX
        while (group := self._group()).state == MemberState.REBALANCING and time.monotonic() < deadline_s:
            if not self._tracker.holds(transaction.epochs):
                break
            time.sleep(_STABLE_CHECK_S)
        if group.generation_id < 0 or not group.member_id:
            raise IllegalGenerationError("this worker is currently not a member of its consumer group")
        return group

    def _start_over(self, failure: DeliveryError) -> None:
        transaction, self._transaction = self._transaction, None
        self._asked_s = None
        self._tracker.suspend()
        self._metrics.transactions.labels("aborted").inc()
        for item in transaction.items if transaction else ():
            item.drop()
        cause = self._cause(transaction, failure)
        error = cause.error
        if isinstance(error, FencedInstanceIdError) or (isinstance(error, FENCED) and not self._timed_out(transaction)):
            raise FencedError(
                "another worker uses the instance_id of this worker; set a unique instance_id for each worker"
            )
        self._producer = self._recovery.recover(self._producer, cause)
        self._tracker.resume()

    def _cause(self, transaction: _Transaction | None, failure: DeliveryError) -> DeliveryError:
        """Return the failure of the record that Kafka refused, or else of the producer as a whole."""
        broken_by = fatal_error(self._producer)
        refused = _refused_record(transaction.sent if transaction else [], _BLAME_S_MAX if broken_by else 0.0)
        if refused:
            return DeliveryError(refused.future.exception, refused.record, refused.frame.position)
        return DeliveryError(broken_by) if broken_by else failure

    def _timed_out(self, transaction: _Transaction | None) -> bool:
        """Return whether the transaction timed out.

        Kafka also fences a worker that was unavailable for longer than its transaction may last. That is not a second
        worker.
        """
        left_share = self._limits.timeout_s * _TIMED_OUT_SHARE
        return transaction is not None and time.monotonic() - transaction.began_s > left_share


def _refused_record(sent: list[_Sent], timeout_s: float) -> _Sent | None:
    """Return the record that failed through its own fault, or None.

    Waits up to timeout_s, because the producer fails before its sender thread reports the record.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        open_ones = not all(one.future.is_done for one in sent)
        for one in sent:
            if one.future.failed() and not isinstance(one.future.exception, BystanderError):
                return one
        if not open_ones or time.monotonic() > deadline_s:
            return None
        time.sleep(_STABLE_CHECK_S)
