"""Follows a small, optional topic in a thread: reads its newest records at the start, then every new one."""

import threading
from collections.abc import Callable
from typing import Any

import structlog

from stripwatch.worker.broker.connection import TOOLS_ID, client_config
from stripwatch.worker.broker.consumers import list_topics, open_reader
from stripwatch.worker.broker.topic_reader import TopicReader, from_last
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.settings import Settings

log = structlog.get_logger()
_AGAIN_S = 2.0
_MISSING_S = 30.0
_RECORDS_MAX = 20_000


class TopicFollower:
    """Reader thread of one topic. It waits for a broker that is unreachable and for a topic that is missing.

    add: called for each record, from the thread; a record may come again after a lost connection. has_read: set once
    the records that existed at the start have been read, or could not be read at the first attempt, because the page
    must not wait for an optional topic. is_live: True while records arrive as they are written; False while records of
    the past are read, at the start and after a lost connection. records_max: number of the newest records to read then.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        add: Callable[[Any], None],
        purpose: str,
        records_max: int = _RECORDS_MAX,
    ) -> None:
        self.has_read = threading.Event()
        self.is_live = False
        self._settings = settings
        self._topic = topic
        self._add = add
        self._purpose = purpose
        self._from_last = from_last(records_max)
        self._missing = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=topic, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        while not self._stopped.is_set():
            wait_s = _AGAIN_S
            try:
                if not self._read():
                    wait_s = _MISSING_S
            except BrokerUnavailableError as error:
                log.warning("broker unavailable, retrying", topic=self._topic, error=str(error))
            except Exception:  # the other parts of the page must continue
                log.exception("reading failed, retrying", topic=self._topic)
            self.is_live = False
            self.has_read.set()
            self._stopped.wait(wait_s)

    def _read(self) -> bool:
        """Read until stopped. Return False if the topic is missing."""
        with open_reader(client_config(self._settings, TOOLS_ID)) as consumer:
            if self._topic not in list_topics(consumer, self._settings.broker.wait_s_max):
                if not self._missing:
                    log.info("optional topic is missing", topic=self._topic, purpose=self._purpose)
                self._missing = True
                return False
            self._missing = False
            reader = TopicReader(consumer, [self._topic], self._from_last)
            while not self._stopped.is_set():
                for record in reader.poll():
                    self._add(record)
                if reader.caught_up_at_s is not None:
                    self.is_live = True
                    self.has_read.set()
        return True
