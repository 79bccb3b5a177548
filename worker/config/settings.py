"""What can be set: one model, filled from defaults, a TOML file, the environment and flags; the later wins."""

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

from stripwatch.worker.config.drift import DriftSettings
from stripwatch.worker.config.sections import (
    BrokerSettings,
    Camera,
    CoilsSettings,
    EvidenceSettings,
    ExactlyOnceSettings,
    FramesSettings,
    InflightSettings,
    LogSettings,
    MetricsSettings,
    RejectsSettings,
    ReviewSettings,
    ShadowSettings,
    ThresholdOverride,
    Topics,
)
from stripwatch.worker.config.security import Security

ENV_PREFIX = "STRIPWATCH_"
# The arguments with what the file and the environment hold; neither can be the name of a setting.
FILE, ENVIRONMENT = "<file>", "<environment>"


class Settings(BaseSettings):
    """Every setting of `stripwatch run`. A field's description is its line in the README's table."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        nested_model_default_partial_update=True,
    )

    bundle: Path | None = Field(default=None, description="The model file to run, or a name in a store: STORE/NAME.")
    bundle_check_s: float = Field(
        5,
        ge=0.05,
        le=3600,
        description="Time between checks for another bundle; one that two checks find is loaded.",
    )
    shadow: ShadowSettings = Field(default_factory=ShadowSettings)
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        "auto",
        description="Where the model runs. auto: CUDA where ONNX Runtime has it, else the CPU; no silent fallback. "
        "tensorrt: not run yet; it builds for minutes and keeps the engine in cache_folder.",
    )
    device_id: int | None = Field(
        default=None,
        ge=0,
        description="GPU that the model runs on, as nvidia-smi numbers them, or by its place in CUDA_VISIBLE_DEVICES. "
        "Unset: 0; several processes each take the next one.",
    )
    cuda_run: Literal["plain", "bound", "graph"] = Field(
        "plain",
        description="On CUDA. bound: input and outputs in buffers that stay; graph: and a CUDA graph for each batch "
        "size. Neither has been run on a GPU yet.",
    )
    batches_in_flight: int = Field(
        1,
        ge=1,
        le=4,
        description="Batches with the model at once: 2 hide the copies to a GPU (not run on one yet); on a CPU, with "
        "inference_threads = 1, they do what more processes do, in less memory.",
    )
    bootstrap_servers: str = Field(
        "127.0.0.1:9092", min_length=1, description="Kafka brokers, host:port, comma between."
    )
    group_id: str = Field(
        "stripwatch", min_length=1, description="Consumer group; workers with one group share the partitions."
    )
    session_timeout_ms: int = Field(
        45_000, ge=1000, description="A worker silent for this long loses its partitions to the others of the group."
    )
    fetch_wait_ms_max: int = Field(
        500, ge=1, le=10_000, description="How long the broker holds a fetch while there is no frame."
    )
    max_poll_interval_ms: int = Field(
        300_000,
        ge=1000,
        description="A worker that has not polled for this long leaves the group. Inference is no poll.",
    )
    rebalance: Literal["eager", "cooperative"] = Field(
        "eager",
        description="Which partitions are drained and given up when workers join or leave: all, or those that move. "
        "With both, nothing is read for the moment of the rebalance. One value in a group.",
    )
    instance_id: str = Field(
        "",
        max_length=200,
        pattern=r"^[A-Za-z0-9._-]*$",
        description="This worker's name, unique in its group and the same after a restart. "
        "Empty: the worker claims one on its host, which a restarted process gets again.",
    )
    static_membership: bool | Literal["auto"] = Field(
        "auto",
        description="A process that dies and is started again within session_timeout_ms keeps its partitions, and the "
        "others continue meanwhile; one that is stopped hands them over at once. auto: yes, and a worker whose name "
        "another one takes continues without; true: it ends with exit code 10; false: no.",
    )
    delivery: Literal["at-least-once", "exactly-once"] = Field(
        "at-least-once",
        description="Offsets are committed after the results are acknowledged, or with them in one transaction.",
    )
    exactly_once: ExactlyOnceSettings = Field(default_factory=ExactlyOnceSettings)
    start_at: Literal["earliest", "latest"] = Field(
        "earliest",
        description="Where a group without committed offsets begins; added partitions begin at their first frame.",
    )
    topics: Topics = Field(default_factory=Topics)
    drift: DriftSettings = Field(default_factory=DriftSettings)
    security: Security = Field(default_factory=Security)

    processes: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = Field(
        1,
        description="Workers of the group on this machine, under one supervisor. "
        "auto: on a CPU as many as take the most frames of this model, tried once; else one on each GPU "
        "(several GPUs have not been run yet).",
    )
    cache_folder: Path | None = Field(
        default=None, description="Where it is remembered what was tried. Unset: the user's cache, ~/.cache/stripwatch."
    )
    batch_frames_max: int = Field(
        16, ge=1, le=1024, description="Largest batch. Warm-up may find a smaller one faster."
    )
    latency_ms_target: float | None = Field(
        default=None,
        gt=0,
        le=10_000,
        description="From decoded to scored; time it leaves goes into fuller batches, which cost the device less. "
        "Unset: as short as can be.",
    )
    linger_ms_max: float | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="How long a free device waits for more frames. Unset: as latency_ms_target allows.",
    )
    inference_threads: int = Field(
        0,
        ge=0,
        description="ONNX Runtime threads on a CPU, in each process. 0: its share of the cores.",
    )
    decode_threads: int = Field(0, ge=0, description="Threads that decode, in each process. 0: its share of the cores.")
    inflight: InflightSettings = Field(default_factory=InflightSettings)

    deadline_ms: float | None = Field(
        default=None, gt=0, description="A frame older than this, from capture to batch, is late. Unset: none is."
    )
    late_frames: Literal["inspect-all", "skip-late"] = Field(
        "inspect-all",
        description="Late frames of the topic: inspected and counted, or given a result with `state` skipped.",
    )

    frames: FramesSettings = Field(default_factory=FramesSettings)
    rejects: RejectsSettings = Field(default_factory=RejectsSettings)
    evidence: EvidenceSettings = Field(default_factory=EvidenceSettings)
    review: ReviewSettings = Field(default_factory=ReviewSettings)

    commit_ms: int = Field(500, ge=10, description="Time between commits of offsets.")
    drain_s_max: float = Field(
        20,
        gt=0,
        le=600,
        validate_default=True,
        description="Longest wait for frames in flight at a stop or a rebalance.",
    )
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    send_s_max: float = Field(60, ge=1, le=600, description="Longest wait for the broker to acknowledge a result.")

    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    cameras: dict[str, Camera] = Field(
        default_factory=dict,
        description="By camera id: mm_per_px, side, lane_offset_mm, line, head_edge, scan.",
    )
    coils: CoilsSettings = Field(default_factory=CoilsSettings)
    thresholds: dict[str, ThresholdOverride] = Field(
        default_factory=dict, description="By label: sure and unsure, over those of the bundle; events then say so."
    )

    @field_validator("cuda_run")
    @classmethod
    def _is_on_cuda(cls, value: str, info: ValidationInfo) -> str:
        if value != "plain" and info.data.get("provider") in ("cpu", "tensorrt"):
            raise ValueError("it goes with provider cuda alone")
        return value

    @field_validator("batches_in_flight")
    @classmethod
    def _has_no_graph(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("cuda_run") == "graph":
            raise ValueError("a CUDA graph runs one batch at a time: with cuda_run graph it must be 1")
        return value

    @field_validator("late_frames")
    @classmethod
    def _has_deadline(cls, value: str, info: ValidationInfo) -> str:
        if value == "skip-late" and info.data.get("deadline_ms") is None:
            raise ValueError("it needs deadline_ms, the age from which on a frame is late")
        return value

    @field_validator("drain_s_max")
    @classmethod
    def _polls_in_time(cls, value: float, info: ValidationInfo) -> float:
        if value * 1000 >= info.data.get("max_poll_interval_ms", math.inf):
            raise ValueError("it must be shorter than max_poll_interval_ms, since a worker that drains does not poll")
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
    "rejects": RejectsSettings,
    "evidence": EvidenceSettings,
    "review": ReviewSettings,
    "broker": BrokerSettings,
    "metrics": MetricsSettings,
    "log": LogSettings,
    "cameras.ID": Camera,
    "coils": CoilsSettings,
    "thresholds.LABEL": ThresholdOverride,
}
