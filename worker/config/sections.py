"""Sections of the settings, except those of the plant, the observers, security and the live page."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from stripwatch.worker.config.fields.checked_model import CheckedModel
from stripwatch.worker.config.fields.kafka_names import check_topic
from stripwatch.worker.contracts.frame_limits import FRAME_BYTES_MAX, FRAME_PIXELS_MAX, FRAME_SIDE_PX_MIN
from stripwatch.worker.contracts.topics import (
    ACKNOWLEDGEMENTS,
    CAMERAS,
    COILS,
    DEFECTS,
    EVIDENCE,
    FRAMES,
    REJECTS,
    RESULTS,
    REVIEW,
    SHADOW,
)


class Section(CheckedModel):
    """Base of the sections."""


class Topics(Section):
    """Names of the Kafka topics. All output topics must differ from the frames topic."""

    frames: str = Field(default=FRAMES, min_length=1, description="Input topic with the camera frames.")
    results: str = Field(
        default=RESULTS, min_length=1, description="Output topic with one result per frame that is not rejected."
    )
    defects: str = Field(
        default=DEFECTS, min_length=1, description="Output topic with a copy of each result that has a defect."
    )
    rejects: str = Field(
        default=REJECTS, min_length=1, description="Output topic with the frames that could not be inspected."
    )
    shadow: str = Field(
        default=SHADOW,
        min_length=1,
        description="Output topic with the results of the shadow bundle. Must exist if shadow.bundle is set.",
    )
    evidence: str = Field(
        default=EVIDENCE,
        min_length=1,
        description="Output topic with evidence images, keyed by the id of the result. Must exist if "
        "evidence.enabled is true.",
    )
    review: str = Field(
        default=REVIEW,
        min_length=1,
        description="Output topic with frames for a person to label. Must exist if review.enabled is true.",
    )
    coils: str = Field(
        default=COILS,
        min_length=1,
        description="Output topic with one summary per coil, written by `stripwatch coils`.",
    )
    acknowledgements: str = Field(
        default=ACKNOWLEDGEMENTS,
        min_length=1,
        description="Compacted topic with the acknowledgements of alarms, written and read by `stripwatch view`. "
        "Without it the page works, but nobody can acknowledge an alarm.",
    )
    cameras: str = Field(
        default=CAMERAS,
        min_length=1,
        description="Compacted topic with the state of each camera as its worker knows it, for the live page. "
        "Optional: if it does not exist when a worker starts, the worker publishes no states and logs this once.",
    )

    @field_validator("*")
    @classmethod
    def _is_legal(cls, name: str) -> str:
        return check_topic(name)

    @model_validator(mode="after")
    def _alone(self) -> Self:
        """Reject topics that may not be shared.

        The worker would read its own output forever, and Kafka would delete events from a compacted topic.
        """
        for alone in ("frames", "acknowledgements", "cameras"):
            for name in type(self).model_fields:
                if name != alone and getattr(self, name) == getattr(self, alone):
                    raise ValueError(f"{alone} and {name} must be different topics, not both {getattr(self, name)!r}")
        return self


class ExactlyOnceSettings(Section):
    """Kafka transactions. Only used with `delivery = "exactly-once"`."""

    transaction_ms: int = Field(
        default=100,
        ge=10,
        le=10_000,
        description="Duration of a transaction in milliseconds with exactly-once delivery. Consumers see its "
        "results when the transaction ends.",
    )
    transaction_s_max: float = Field(
        default=30,
        ge=1,
        le=900,
        description="Time in seconds after which Kafka aborts a transaction that a dead worker left open.",
    )


class InflightSettings(Section):
    """Limits on the frames that a worker holds at the same time: backpressure and memory."""

    frames_max: int = Field(
        default=256,
        ge=1,
        description="Maximum number of frames in a worker at the same time. At the limit the worker pauses its "
        "partitions.",
    )
    bytes_max: int = Field(
        default=256_000_000,
        ge=1,
        description="Maximum encoded bytes in a worker at the same time. Frames of a compressed record batch that "
        "unpacks to more than a quarter of this are rejected.",
    )
    decoded_bytes_max: int = Field(
        default=256_000_000,
        ge=1,
        description="Maximum memory in bytes per process for decoding and for decoded frames that wait for the "
        "model. A frame that needs more is decoded alone.",
    )


class FramesSettings(Section):
    """Limits on frames, and treatment of unusual ones."""

    bytes_max: int = Field(
        default=FRAME_BYTES_MAX,
        ge=1,
        description="Maximum size of a frame in bytes; larger frames are rejected. The default admits a Mono8 "
        "buffer of 8192 x 4096 pixels.",
    )
    pixels_max: int = Field(
        default=FRAME_PIXELS_MAX,
        ge=1,
        description="Maximum number of pixels of a frame. Larger frames are rejected before they are decoded.",
    )
    side_px_min: int = Field(
        default=FRAME_SIDE_PX_MIN,
        ge=1,
        description="Minimum width and height of a frame in pixels; smaller frames are rejected.",
    )
    damaged: Literal["reject", "flag"] = Field(
        default="reject",
        description="Treatment of a damaged JPEG file. reject: reject it; flag: decode as much as possible and "
        "publish verdict `unsure` with the flag `damaged`.",
    )
    progressive: Literal["flag", "reject", "accept"] = Field(
        default="flag",
        description="Treatment of a progressive JPEG file, in which damage can go unnoticed. flag: publish verdict "
        "`unsure`; reject: reject it with reason `unsupported_format`; accept: inspect it like any "
        "other frame.",
    )
    untrained_size: Literal["flag", "reject", "accept"] = Field(
        default="flag",
        description="Treatment of a frame whose size, aspect ratio or mm_per_px differs from the training frames. "
        "flag: publish verdict `unsure`; reject: reject it with reason `untrained_size`; accept: "
        "inspect it like any other frame.",
    )


class RejectsSettings(Section):
    """Frames that could not be inspected."""

    bytes_max: int = Field(
        default=FRAME_BYTES_MAX,
        ge=0,
        description="Maximum bytes of the original frame that a reject record carries. A header states whether the "
        "frame was cut.",
    )
    share_max: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Maximum share of rejected frames. Above it the worker reports not ready but continues to inspect.",
    )
    window_s: float = Field(
        default=60, ge=1, le=3600, description="Sliding window in seconds for the share of rejected frames."
    )


class BrokerSettings(Section):
    """How long the worker waits for Kafka."""

    wait_s_max: float = Field(
        default=30, gt=0, le=3600, description="Maximum time in seconds to wait for the broker at startup."
    )
    away_s_max: float = Field(
        default=60,
        ge=1,
        le=3600,
        description="Time in seconds without contact to Kafka, or without the frames topic, after which the worker "
        "exits.",
    )


class MetricsSettings(Section):
    """The HTTP port for metrics and health checks."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,  # an empty name would listen on every address
        description='Address on which to serve /metrics, /healthz and /readyz. 0.0.0.0: every IPv4 address; "::": '
        "every IPv6 and IPv4 address.",
    )
    port: int = Field(
        default=9108,
        ge=0,
        le=65535,
        description="Port on which to serve /metrics, /healthz and /readyz. 0: any free port, which the log states.",
    )
    camera_labels_max: int = Field(
        default=64,
        ge=1,
        description="Maximum number of cameras with their own metric label. Further cameras share the label `other`.",
    )
    certificate_file: Path | None = Field(
        default=None,
        description="PEM file with the server certificate of the metrics port. If set, the port serves only TLS "
        "1.2 or newer; changed files are reloaded automatically.",
    )
    key_file: Path | None = Field(
        default=None,
        description="PEM file with the private key of the server certificate. Unset: the key is in certificate_file.",
    )
    key_password_file: Path | None = Field(
        default=None, description="File with the password of the private key, if the key is encrypted."
    )
    client_ca_file: Path | None = Field(
        default=None,
        description="PEM file with certificate authorities. If set, /metrics requires a client certificate signed "
        "by one of them; /healthz and /readyz do not.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.certificate_file and (self.key_file or self.key_password_file or self.client_ca_file):
            raise ValueError("key_file, key_password_file and client_ca_file require certificate_file")
        return self


# Overrides for a worker whose metrics port is only used by a supervisor or a tool on the same machine.
PLAIN_LOOPBACK = {
    "metrics.host": "127.0.0.1",
    **{f"metrics.{name}": "" for name in ("certificate_file", "key_file", "key_password_file", "client_ca_file")},
}


class LogSettings(Section):
    """Log format and level. Logs go to stderr."""

    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="Log format. auto: console on a terminal, json otherwise."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Lowest severity to log.")
    status_interval_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="Seconds between two log lines with the figures of the worker: frames, lag, ages, verdicts, "
        "rejects. 0: no such lines.",
    )
    process: int | None = Field(
        default=None,
        ge=0,
        description="Number that each log line states as process. The supervisor sets it for its processes.",
    )
