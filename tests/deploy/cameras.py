"""Cameras whose faults can be changed while they send."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.brokers.handle import BrokerHandle
from tests.tiny import encode_frame


def shots(brightness: float) -> list[bytes]:
    """Build distinct images with noise, as from a live camera."""
    return [encode_frame(brightness, seed=seed) for seed in range(8)]


GREY, DARK, BRIGHT = (shots(brightness) for brightness in (0.5, 0.1, 0.9))
BLURRED = [encode_frame(0.5, seed=seed, noise=0.5) for seed in range(8)]
BETWEEN = shots(0.3)  # neither dark nor grey
CUT_OFF = [part for image in GREY for part in (image, image[: len(image) // 2])]  # every second image
RATE_FPS = 20


class Cameras:
    """Cameras that send their images in rotation. `images` and `ahead` can be changed at any time."""

    def __init__(self, images: dict[str, list[bytes]]) -> None:
        self.images = images
        self.ahead = timedelta(0)  # offset of their clock
        self.position = b"1000"  # header ce_strippositionmm
        self._stop = threading.Event()

    def play(self, broker: BrokerHandle, topic: str) -> None:
        with broker.producer() as producer:
            number = 0
            while not self._stop.wait(1 / RATE_FPS):
                for at, (camera, images) in enumerate(self.images.items()):
                    image = images[number % len(images)]
                    producer.send(topic, image, key=camera.encode(), partition=at, headers=self._headers(camera))
                number += 1

    def stop(self) -> None:
        self._stop.set()

    def _headers(self, camera: str) -> list[tuple[str, bytes]]:
        fields = {
            "ce_specversion": b"1.0",
            "ce_id": f"{camera}-{time.monotonic_ns()}".encode(),
            "ce_source": f"/plant/hot-rolling/line-1/{camera}".encode(),
            "ce_type": b"stripwatch.frame.v1",
            "ce_time": (datetime.now(UTC) + self.ahead).isoformat().encode(),
            "ce_subject": b"C1",
            "ce_strippositionmm": self.position,
        }
        return list(fields.items())


@contextmanager
def playing(cameras: Cameras, broker: BrokerHandle, topic: str) -> Iterator[None]:
    thread = threading.Thread(target=cameras.play, args=(broker, topic))
    thread.start()
    try:
        yield
    finally:
        cameras.stop()
        thread.join()
