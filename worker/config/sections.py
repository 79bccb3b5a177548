"""The tables of the settings, except `drift` and `security`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from stripwatch.worker.contracts.frame_limits import FRAME_BYTES_MAX, FRAME_PIXELS_MAX, FRAME_SIDE_PX_MIN
from stripwatch.worker.contracts.topics import COILS, DEFECTS, EVIDENCE, FRAMES, REJECTS, RESULTS, REVIEW, SHADOW


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Topics(_Section):
    frames: str = Field(default=FRAMES, min_length=1, description="Frames are read from here.")
    results: str = Field(default=RESULTS, min_length=1, description="A result for every frame that is not rejected.")
    defects: str = Field(default=DEFECTS, min_length=1, description="The results with a defect once more.")
    rejects: str = Field(default=REJECTS, min_length=1, description="Frames that could not be inspected.")
    shadow: str = Field(default=SHADOW, min_length=1, description="What the shadow says; needed where one is set.")
    evidence: str = Field(
        default=EVIDENCE, min_length=1, description="Pictures of defects, by the id of their result; where switched on."
    )
    review: str = Field(
        default=REVIEW, min_length=1, description="Frames that a person should look at; where switched on."
    )
    coils: str = Field(
        default=COILS, min_length=1, description="A summary of each coil, written by `stripwatch coils`."
    )

    @model_validator(mode="after")
    def _frames_alone(self) -> Self:
        """Frames that were written back to where they come from would go round forever."""
        for name in type(self).model_fields:
            if name != "frames" and getattr(self, name) == self.frames:
                raise ValueError(f"frames and {name} are one topic, {self.frames!r}")
        return self


class ShadowSettings(_Section):
    bundle: Path | None = Field(
        default=None, description="A second bundle, which inspects a share of the frames and is only compared."
    )
    share: float = Field(default=0.1, gt=0, le=1, description="Share of the frames that the shadow inspects.")


class ExactlyOnceSettings(_Section):
    transaction_ms: int = Field(
        default=100,
        ge=10,
        le=10_000,
        description="Duration of a transaction under exactly-once delivery. Readers see its results when it ends.",
    )
    transaction_s_max: float = Field(
        default=30,
        ge=1,
        le=900,
        description="Kafka aborts a transaction that a dead worker left open after this time.",
    )


class InflightSettings(_Section):
    frames_max: int = Field(
        default=256, ge=1, description="Most frames in the worker at once. At the limit it pauses its partitions."
    )
    bytes_max: int = Field(
        default=256_000_000,
        ge=1,
        description="Most encoded bytes in the worker at once. A record batch may unpack to a quarter of it.",
    )
    decoded_bytes_max: int = Field(
        default=256_000_000,
        ge=1,
        description="Most memory for decoding and for decoded frames that wait for the model, in each process. "
        "A frame that needs more is decoded alone.",
    )


class FramesSettings(_Section):
    bytes_max: int = Field(
        default=FRAME_BYTES_MAX,
        ge=1,
        description="The worker rejects a larger frame. The default admits a Mono8 buffer of 8192 x 4096 pixels.",
    )
    pixels_max: int = Field(
        default=FRAME_PIXELS_MAX, ge=1, description="The worker rejects a frame with more pixels before it decodes it."
    )
    side_px_min: int = Field(
        default=FRAME_SIDE_PX_MIN, ge=1, description="The worker rejects a frame with a shorter side."
    )
    damaged: Literal["reject", "flag"] = Field(
        default="reject",
        description="flag: decode a damaged JPEG as far as possible; the verdict is unsure, with the flag damaged.",
    )
    progressive: Literal["flag", "reject", "accept"] = Field(
        default="flag",
        description="A progressive JPEG, in which damage can hide. flag: verdict `unsure`; reject: reason "
        "`unsupported_format`; accept: judged as any other.",
    )
    untrained_size: Literal["flag", "reject", "accept"] = Field(
        default="flag",
        description="A frame whose size, aspect ratio or mm_per_px is unlike the training frames of the model. "
        "flag: verdict `unsure`; reject: reason `untrained_size`; accept: judged as any other.",
    )


class RejectsSettings(_Section):
    bytes_max: int = Field(
        default=FRAME_BYTES_MAX,
        ge=0,
        description="A reject carries this much of the frame, and says whether it was cut.",
    )
    share_max: float = Field(
        default=0.5, gt=0, le=1, description="With a larger share of rejects the worker is unready; it still inspects."
    )
    window_s: float = Field(default=60, ge=1, le=3600, description="Time over which that share is measured.")


class EvidenceSettings(_Section):
    enabled: bool = Field(
        default=False,
        description="Publish a picture of each frame with a defect, with its boxes and heatmap drawn in.",
    )
    per_minute_max: float = Field(
        default=60,
        gt=0,
        le=60_000,
        description="Maximum pictures per minute for each camera and worker, averaged; also the largest burst.",
    )
    bytes_max: int = Field(
        default=300_000,
        ge=10_000,
        le=16_000_000,
        description="Largest picture. One that would be larger loses quality, then size.",
    )
    side_px_max: int = Field(default=1600, ge=64, le=8192, description="Longest side of a picture.")
    quality: int = Field(default=85, ge=30, le=100, description="JPEG quality of a picture.")


class ReviewSettings(_Section):
    enabled: bool = Field(
        default=False, description="Publish frames with verdict unsure to a topic of their own, for a person to label."
    )
    per_hour_max: float = Field(
        default=60,
        gt=0,
        le=3_600_000,
        description="Maximum such frames per hour for each camera, best class and worker, averaged; "
        "also the largest burst.",
    )


class BrokerSettings(_Section):
    wait_s_max: float = Field(default=30, gt=0, le=3600, description="Longest wait for the broker at start.")
    away_s_max: float = Field(
        default=60,
        ge=1,
        le=3600,
        description="The worker exits when Kafka, or its topic of frames, has been unreachable for this long.",
    )


# A text of no length takes away what the file says; a flag cannot say None.
_OptionalFile = Annotated[Path | None, BeforeValidator(lambda given: None if given == "" else given)]


class MetricsSettings(_Section):
    host: str = Field(
        default="127.0.0.1",
        description="Address that serves /metrics, /healthz and /readyz. 0.0.0.0: every IPv4 address; "
        '"::": every IPv6 and IPv4 address.',
    )
    port: int = Field(
        default=9108, ge=0, le=65535, description="Their port. 0: any free port; the log names the one in use."
    )
    camera_labels_max: int = Field(
        default=64, ge=1, description="Cameras with a metric label of their own; the others share the label 'other'."
    )
    certificate_file: _OptionalFile = Field(
        default=None,
        description="PEM file of the port's certificate: with it the port serves TLS 1.2 or newer only. The files are "
        "loaded again when they change.",
    )
    key_file: _OptionalFile = Field(
        default=None, description="PEM file of its key. Without it the key is in certificate_file."
    )
    key_password_file: _OptionalFile = Field(
        default=None, description="File that holds the password of an encrypted key."
    )
    client_ca_file: _OptionalFile = Field(
        default=None,
        description="PEM file of authorities: /metrics requires a client certificate signed by one of them. "
        "/healthz and /readyz need none.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.certificate_file and (self.key_file or self.key_password_file or self.client_ca_file):
            raise ValueError("key_file, key_password_file and client_ca_file need certificate_file")
        return self


# Of a worker that only its supervisor or a tool on the same machine asks, whatever its file says.
PLAIN_LOOPBACK = {
    "metrics.host": "127.0.0.1",
    **{f"metrics.{name}": "" for name in ("certificate_file", "key_file", "key_password_file", "client_ca_file")},
}


class LogSettings(_Section):
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console on a terminal, otherwise json."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe level to log."
    )


class Camera(_Section):
    mm_per_px: float | None = Field(
        default=None, gt=0, description="Millimetres of strip a pixel shows, along the strip."
    )
    side: Literal["top", "bottom"] | None = Field(default=None, description="Side of the strip.")
    lane_offset_mm: float | None = Field(
        default=None, description="Left edge of the image from the left edge of the strip."
    )
    line: str | None = Field(
        default=None,
        description="Line whose coils it should see, as events name it (`/site/area/line`): the summary of a coil says "
        "which of them sent nothing. Where no camera names a line, those that saw its coils before are expected.",
    )
    head_edge: Literal["left", "right"] = Field(
        default="left",
        description="Edge of the image that is nearer the strip's head while it runs forward. right: the camera is "
        "mounted the other way.",
    )
    scan: Literal["line", "area"] = Field(
        default="line",
        description="line: column after column while the strip passes, so a frame with ce_stripdirection reverse is "
        "mirrored. area: all at once; it never is.",
    )


class CoilsSettings(_Section):
    gap_tolerance_mm: int = Field(
        default=1,
        ge=0,
        le=1000,
        description="Frames at most this far apart leave no gap, and their defects are joined. Rounding alone causes "
        "gaps of 1 mm.",
    )
    strip_speed_mps_max: float = Field(
        default=50,
        gt=0,
        le=1000,
        description="Maximum strip speed (m/s). A position that would require a higher speed (beyond 10 m) is treated "
        "as wrong, or as an encoder reset.",
    )


class ThresholdOverride(_Section):
    sure: float = Field(ge=0, le=1, description="From this score on the label is taken as a fact.")
    unsure: float | None = Field(default=None, ge=0, le=1, description="From this score on a person should look.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.unsure is not None and self.unsure > self.sure:
            raise ValueError("unsure is above sure")
        return self
