"""Sections of the settings, except `drift` and `security`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from stripwatch.worker.contracts.frame_limits import FRAME_BYTES_MAX, FRAME_PIXELS_MAX, FRAME_SIDE_PX_MIN
from stripwatch.worker.contracts.topics import COILS, DEFECTS, EVIDENCE, FRAMES, REJECTS, RESULTS, REVIEW, SHADOW


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Topics(_Section):
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

    @model_validator(mode="after")
    def _frames_alone(self) -> Self:
        """Reject an output topic that is also the input topic: the worker would read its own output forever."""
        for name in type(self).model_fields:
            if name != "frames" and getattr(self, name) == self.frames:
                raise ValueError(f"frames and {name} must be different topics, not both {self.frames!r}")
        return self


class ShadowSettings(_Section):
    """A candidate bundle that inspects a share of the frames for comparison with the running bundle."""

    bundle: Path | None = Field(
        default=None,
        description="Shadow bundle: a candidate that inspects a share of the frames and is only compared with the "
        "running bundle. Unset: no shadow.",
    )
    share: float = Field(
        default=0.1, gt=0, le=1, description="Fraction of the frames that the shadow inspects, above 0 and up to 1."
    )


class ExactlyOnceSettings(_Section):
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


class InflightSettings(_Section):
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


class FramesSettings(_Section):
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


class RejectsSettings(_Section):
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


class EvidenceSettings(_Section):
    """Annotated pictures of defects on a separate topic. Evidence images never delay results."""

    enabled: bool = Field(
        default=False,
        description="Publish an evidence image of each frame with a defect, with boxes and heatmap drawn in.",
    )
    per_minute_max: float = Field(
        default=60,
        gt=0,
        le=60_000,
        description="Maximum average number of evidence images per minute, per camera and worker. Also the largest "
        "burst.",
    )
    bytes_max: int = Field(
        default=300_000,
        ge=10_000,
        le=16_000_000,
        description="Maximum size of an evidence image in bytes. A larger image is first compressed more, then "
        "scaled down.",
    )
    side_px_max: int = Field(
        default=1600, ge=64, le=8192, description="Maximum width and height of an evidence image in pixels."
    )
    quality: int = Field(default=85, ge=30, le=100, description="JPEG quality of evidence images.")


class ReviewSettings(_Section):
    """Frames for a person to label, on a separate topic. Review frames never delay results."""

    enabled: bool = Field(
        default=False, description="Publish frames with verdict `unsure` to a separate topic for a person to label."
    )
    per_hour_max: float = Field(
        default=60,
        gt=0,
        le=3_600_000,
        description="Maximum average number of review frames per hour, per camera, best class and worker. Also the "
        "largest burst.",
    )


class BrokerSettings(_Section):
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


# An empty string unsets a value from the file: a flag cannot be None.
_OptionalFile = Annotated[Path | None, BeforeValidator(lambda given: None if given == "" else given)]


class MetricsSettings(_Section):
    """The HTTP port for metrics and health checks."""

    host: str = Field(
        default="127.0.0.1",
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
    certificate_file: _OptionalFile = Field(
        default=None,
        description="PEM file with the server certificate of the metrics port. If set, the port serves only TLS "
        "1.2 or newer; changed files are reloaded automatically.",
    )
    key_file: _OptionalFile = Field(
        default=None,
        description="PEM file with the private key of the server certificate. Unset: the key is in certificate_file.",
    )
    key_password_file: _OptionalFile = Field(
        default=None, description="File with the password of the private key, if the key is encrypted."
    )
    client_ca_file: _OptionalFile = Field(
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


class LogSettings(_Section):
    """Log format and level. Logs go to stderr."""

    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="Log format. auto: console on a terminal, json otherwise."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Lowest severity to log.")


class Camera(_Section):
    """Settings per camera. ID is the camera id from the frame's headers, for example `[cameras.top-1]`."""

    mm_per_px: float | None = Field(default=None, gt=0, description="Scale along the strip in millimetres per pixel.")
    side: Literal["top", "bottom"] | None = Field(default=None, description="Side of the strip that the camera faces.")
    lane_offset_mm: float | None = Field(
        default=None,
        description="Distance in millimetres from the left edge of the strip to the left edge of the image.",
    )
    line: str | None = Field(
        default=None,
        description="Line whose coils the camera sees, as events name it (`/site/area/line`); coil summaries list "
        "such cameras that sent nothing. If no camera names a line, the cameras that saw its earlier "
        "coils are expected.",
    )
    head_edge: Literal["left", "right"] = Field(
        default="left",
        description="Edge of the image that is nearer to the head of the strip while the strip runs forward. "
        "right: the camera is mounted the other way round.",
    )
    scan: Literal["line", "area"] = Field(
        default="line",
        description="Sensor type. line: the image is built column by column while the strip passes, so a frame "
        "with ce_stripdirection reverse is mirrored; area: the image is taken at once and is never "
        "mirrored.",
    )


class CoilsSettings(_Section):
    """How the frames of a coil are joined by `stripwatch coils`, `report` and `view`."""

    gap_tolerance_mm: int = Field(
        default=1,
        ge=0,
        le=1000,
        description="Maximum distance in millimetres between two frames that leaves no gap and joins their "
        "defects. Rounding alone causes distances of 1 mm.",
    )
    strip_speed_mps_max: float = Field(
        default=50,
        gt=0,
        le=1000,
        description="Maximum strip speed in metres per second. A position that would require a higher speed "
        "(beyond 10 m) is treated as wrong, or as an encoder reset.",
    )


class ThresholdOverride(_Section):
    """Thresholds that replace those of the bundle, per label: `[thresholds.scratch]`. Events state that thresholds were
    overridden.
    """

    sure: float = Field(ge=0, le=1, description="Score from which the label counts as certain.")
    unsure: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Score from which a defect label makes the frame unsure. Unset: the threshold of the bundle, "
        "but at most `sure`.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.unsure is not None and self.unsure > self.sure:
            raise ValueError("unsure must not be above sure")
        return self
