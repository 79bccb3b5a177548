"""Data model of the settings. Sources in increasing priority: defaults, TOML file, environment, flags."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from stripwatch.worker.config.fields.checked_model import CheckedModel
from stripwatch.worker.config.fields.kafka_names import BootstrapServersText
from stripwatch.worker.config.observer_sections import (
    DriftSettings,
    EvidenceSettings,
    NoveltySettings,
    ReviewSettings,
    ShadowSettings,
)
from stripwatch.worker.config.page_sections import LimitsSettings, ViewSettings
from stripwatch.worker.config.plant_sections import Camera, CoilsSettings, ThresholdOverride
from stripwatch.worker.config.sections import (
    BrokerSettings,
    ExactlyOnceSettings,
    FramesSettings,
    InflightSettings,
    LogSettings,
    MetricsSettings,
    RejectsSettings,
    Topics,
)
from stripwatch.worker.config.security import Security
from stripwatch.worker.contracts.coil_summary import Severity

_KAFKA_MS_MAX = 2**31 - 1  # Kafka's protocol has 32 bits for it
_THREADS_MAX = 1024
ENV_PREFIX = "STRIPWATCH_"
# Arguments with the values of the file and the environment; neither can be the name of a setting.
FILE, ENVIRONMENT = "<file>", "<environment>"


class Settings(CheckedModel, BaseSettings):
    """All settings of `stripwatch run`. The settings reference is generated from the fields' descriptions."""

    model_config = SettingsConfigDict(
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    bundle: Path | None = Field(
        default=None,
        description="Bundle to run: an ONNX file, or REGISTRY/NAME for the version that is promoted in a registry.",
    )
    bundle_check_s: float = Field(
        5,
        ge=0.05,
        le=3600,
        description="Interval in seconds between checks for a changed or newly promoted bundle. A change is loaded "
        "once two consecutive checks have found it.",
    )
    shadow: ShadowSettings = Field(default_factory=ShadowSettings)
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        "auto",
        description="ONNX Runtime execution provider. auto: CUDA if ONNX Runtime supports it, otherwise the CPU; a "
        "provider that does not start is an error. tensorrt: builds an engine for several minutes at "
        "the first start and keeps it in cache_folder; not tested yet.",
    )
    device_id: int | None = Field(
        default=None,
        ge=0,
        description="Index of the GPU as numbered by nvidia-smi, or its position in CUDA_VISIBLE_DEVICES if that "
        "is set. Unset: GPU 0, or one GPU per process in turn if there are several processes.",
    )
    cuda_run: Literal["plain", "bound", "graph"] = Field(
        "plain",
        description="How a session runs on CUDA. plain: buffers are allocated for each run; bound: inputs and "
        "outputs use preallocated buffers; graph: bound, plus one CUDA graph per batch size. bound and "
        "graph have not been tested on a GPU yet.",
    )
    batches_in_flight: int = Field(
        1,
        ge=1,
        le=4,
        description="Number of batches that the model processes at the same time. On a GPU, 2 hides the copies to "
        "the device (not tested yet); on a CPU with inference_threads = 1, a higher value acts like "
        "more processes but needs less memory.",
    )
    bootstrap_servers: BootstrapServersText = Field(
        "127.0.0.1:9092", min_length=1, description="Kafka brokers as HOST:PORT, separated by commas."
    )
    group_id: str = Field(
        "stripwatch",
        min_length=1,
        description="Kafka consumer group. Workers with the same group share the partitions.",
    )
    session_timeout_ms: int = Field(
        45_000,
        ge=1000,
        le=_KAFKA_MS_MAX,
        description="Time in milliseconds without a heartbeat after which Kafka assigns a worker's partitions to "
        "the rest of the group.",
    )
    fetch_wait_ms_max: int = Field(
        500,
        ge=1,
        le=10_000,
        description="Maximum time in milliseconds that the broker holds a fetch request while no frame is available.",
    )
    max_poll_interval_ms: int = Field(
        300_000,
        ge=1000,
        le=_KAFKA_MS_MAX,
        description="Maximum time in milliseconds between two polls before a worker leaves the group. The worker "
        "keeps polling during inference.",
    )
    rebalance: Literal["eager", "cooperative"] = Field(
        "eager",
        description="Partitions to drain and give up when a worker joins or leaves the group. eager: all; "
        "cooperative: only those that move. All workers of a group need the same value; with both, no "
        "worker reads frames during the rebalance itself.",
    )
    instance_id: str = Field(
        "",
        max_length=200,
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Name of this worker, unique in its group and unchanged by a restart. Empty: the worker claims "
        "a free name on its host, and a restarted process claims the same one again.",
    )
    static_membership: bool | Literal["auto"] = Field(
        "auto",
        description="Whether a process that dies keeps its partitions if it restarts within session_timeout_ms, "
        "while the other workers continue; a worker that is stopped gives its partitions up at once. "
        "If another worker takes its name, auto continues without static membership and true exits "
        "with code 10. false turns static membership off.",
    )
    delivery: Literal["at-least-once", "exactly-once"] = Field(
        "at-least-once",
        description="at-least-once: commit offsets after the broker has acknowledged the results. exactly-once: "
        "commit results and offsets in one Kafka transaction.",
    )
    exactly_once: ExactlyOnceSettings = Field(default_factory=ExactlyOnceSettings)
    start_at: Literal["earliest", "latest"] = Field(
        "earliest",
        description="First frame to read in a group without committed offsets. Partitions that are added later are "
        "always read from their first frame.",
    )
    topics: Topics = Field(default_factory=Topics)
    drift: DriftSettings = Field(default_factory=DriftSettings)
    security: Security = Field(default_factory=Security)

    processes: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = Field(
        1,
        description="Number of worker processes on this machine, run by one supervisor in one group. auto: on a "
        "CPU, the number with the highest throughput for this model, measured once; on GPUs, one "
        "process per GPU (not tested with several GPUs).",
    )
    cache_folder: Path | None = Field(
        default=None, description="Directory for auto-tuning results and TensorRT engines. Unset: ~/.cache/stripwatch."
    )
    batch_frames_max: int = Field(
        16,
        ge=1,
        le=1024,
        description="Maximum number of frames per batch. Warm-up may choose a smaller size if it is faster.",
    )
    latency_ms_target: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        description="Target time in milliseconds from a decoded frame to its scores. The worker uses spare time to "
        "fill batches, which lowers the device time per frame. Unset: keep latency as short as "
        "possible.",
    )
    linger_ms_max: float | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Maximum time in milliseconds that an idle device waits for more frames. Unset: as long as "
        "latency_ms_target allows, or 0 if that is unset too.",
    )
    inference_threads: int = Field(
        0,
        ge=0,
        le=_THREADS_MAX,
        description="ONNX Runtime threads per process on a CPU. 0: the process's share of the cores.",
    )
    decode_threads: int = Field(
        0,
        ge=0,
        le=_THREADS_MAX,
        description="Decoding threads per process. 0: the process's share of the cores.",
    )
    inflight: InflightSettings = Field(default_factory=InflightSettings)

    deadline_ms: float | None = Field(
        default=None,
        gt=0,
        description="Age in milliseconds, from capture to the start of its batch, above which a frame is late. "
        "Unset: no frame is late.",
    )
    late_frames: Literal["inspect-all", "skip-late"] = Field(
        "inspect-all",
        description="inspect-all: inspect late frames and count them. skip-late: publish a result with `state` "
        "skipped instead of inspecting them (requires deadline_ms).",
    )

    frames: FramesSettings = Field(default_factory=FramesSettings)
    novelty: NoveltySettings = Field(default_factory=NoveltySettings)
    rejects: RejectsSettings = Field(default_factory=RejectsSettings)
    evidence: EvidenceSettings = Field(default_factory=EvidenceSettings)
    review: ReviewSettings = Field(default_factory=ReviewSettings)

    commit_ms: int = Field(500, ge=10, description="Interval in milliseconds between offset commits.")
    drain_s_max: float = Field(
        20,
        gt=0,
        le=600,
        validate_default=True,
        description="Maximum time in seconds to finish frames in flight at a stop or a rebalance. Must be shorter "
        "than max_poll_interval_ms.",
    )
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    send_s_max: float = Field(
        60, ge=1, le=600, description="Maximum time in seconds for the broker to acknowledge a result."
    )

    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    cameras: dict[str, Camera] = Field(
        default_factory=dict,
        description="Settings per camera, by camera id: mm_per_px, mm_per_px_across, side, lane_offset_mm, left_edge, "
        "strip_width_mm, line, head_edge, scan.",
    )
    coils: CoilsSettings = Field(default_factory=CoilsSettings)
    thresholds: dict[str, ThresholdOverride] = Field(
        default_factory=dict,
        description="Thresholds per label that replace those of the bundle: sure and unsure. Events state that "
        "thresholds were overridden.",
    )
    severity: dict[str, Severity] = Field(
        default_factory=dict,
        description="Severity per label: minor, major or critical. Other labels have limits.unlisted_severity.",
    )
    limits: LimitsSettings = Field(default_factory=LimitsSettings)
    view: ViewSettings = Field(default_factory=ViewSettings)

    @field_validator("cuda_run")
    @classmethod
    def _is_on_cuda(cls, value: str, info: ValidationInfo) -> str:
        if value != "plain" and info.data.get("provider") in ("cpu", "tensorrt"):
            raise ValueError("bound and graph require provider cuda or auto")
        return value

    @field_validator("batches_in_flight")
    @classmethod
    def _has_no_graph(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("cuda_run") == "graph":
            raise ValueError("must be 1 with cuda_run = graph, because a CUDA graph runs one batch at a time")
        return value

    @field_validator("late_frames")
    @classmethod
    def _has_deadline(cls, value: str, info: ValidationInfo) -> str:
        if value == "skip-late" and info.data.get("deadline_ms") is None:
            raise ValueError("skip-late requires deadline_ms, the age above which a frame is late")
        return value

    @field_validator("drain_s_max")
    @classmethod
    def _polls_in_time(cls, value: float, info: ValidationInfo) -> float:
        if value * 1000 >= info.data.get("max_poll_interval_ms", math.inf):
            raise ValueError(
                "must be shorter than max_poll_interval_ms, because a worker does not poll while it drains"
            )
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        assert isinstance(init_settings, InitSettingsSource)
        given = init_settings.init_kwargs
        sources = [InitSettingsSource(settings_cls, given.pop(name, {})) for name in (ENVIRONMENT, FILE)]
        return init_settings, *sources


SECTIONS: dict[str, type[BaseModel]] = {
    "shadow": ShadowSettings,
    "exactly_once": ExactlyOnceSettings,
    "topics": Topics,
    "drift": DriftSettings,
    "security": Security,
    "inflight": InflightSettings,
    "frames": FramesSettings,
    "novelty": NoveltySettings,
    "rejects": RejectsSettings,
    "evidence": EvidenceSettings,
    "review": ReviewSettings,
    "broker": BrokerSettings,
    "metrics": MetricsSettings,
    "log": LogSettings,
    "cameras.ID": Camera,
    "coils": CoilsSettings,
    "thresholds.LABEL": ThresholdOverride,
    "limits": LimitsSettings,
    "view": ViewSettings,
}
# Settings that map labels to values. Labels are case-sensitive, unlike the keys of settings.
LABEL_TABLES = {("severity",), ("limits", "defect_frames_per_100_m")}
