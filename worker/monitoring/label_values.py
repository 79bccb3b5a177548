"""Meaning of the values of every metric label. The reference is made from it; a test compares it with the code."""

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.coil_summary import POSITION_FAULTS
from stripwatch.worker.contracts.events import VERDICTS, FrameFlag, UnsureReason
from stripwatch.worker.contracts.line.camera_state import CONDITIONS, Condition

Values = dict[str, str]
_OUTCOMES: Values = {
    "sent": "The record was acknowledged.",
    "over_quota": "The configured limit was reached.",
    "dropped": "The queue was full, or the topic was not available.",
    "failed": "The record could not be made or was not acknowledged.",
}
_RELOADS: Values = {
    "swapped": "The new bundle runs.",
    "refused": "The new bundle is invalid; the previous one keeps running. The log gives the reason.",
}
_STATISTICS: Values = {
    "brightness": "Mean of the grey values, 0 to 255.",
    "contrast": "Standard deviation of the grey values, in grey values.",
    "sharpness": "Mean difference of neighbouring pixels along the row, divided by the brightness.",
    "noise": "Standard deviation of noise in grey levels; the texture of the strip adds to it.",
}
_LIMITED: tuple[Condition, ...] = ("dark", "bright", "low_contrast", "noisy", "blurred")
_SCORES: Values = {"confidence": "Score of the best label.", "unsure": "Share of frames with verdict `unsure`."}
_WRITES: Values = {
    "acknowledgement": "A person acknowledged an alarm.",
    "correction": "A person confirmed or corrected a prediction.",
}
_DECISIONS: Values = {
    "confirmed": "The prediction is right.",
    "relabelled": "The frame shows another class.",
    "not_a_defect": "The frame shows no defect.",
    "new_kind": "The frame shows a kind of defect that the model does not know.",
}

# By label, for labels whose values come from outside or from the installation.
OPEN_LABELS: dict[str, str] = {
    "camera": "Camera id. Cameras beyond the setting `metrics.camera_labels_max` count as `other`, and replayed frames "
    "as `replayed`.",
    "label": "Label of the bundle.",
    "line": "Line of the cameras as events name it, for example `/plant/hot-rolling/line-1`; empty for cameras that "
    "state none. Lines beyond 16 count as `other`.",
    "partition": "Number of a partition of the topic of frames.",
    "header": "Name of the malformed header; `key` for the record's key and `timestamp` for the record's time.",
    "name": "Name of the bundle.",
    "version": "Version of the bundle.",
    "sha256": "SHA-256 of the bundle.",
    "precision": "Precision of the bundle: `fp32`, `fp16` or `int8`.",
    "provider": "ONNX Runtime execution provider.",
    "device_id": "Index of the GPU; empty on a CPU.",
    "process": "Number of the worker process below a supervisor, from 0.",
}
# By metric without its prefix, then by label.
LABEL_VALUES: dict[str, dict[str, Values]] = {
    "results": {"verdict": {**VERDICTS, "skipped": "The frame was skipped because it was late."}},
    "flagged_frames": {"flag": {flag.value: flag.description for flag in FrameFlag}},
    "unsure_frames": {"reason": {reason.value: reason.description for reason in UnsureReason}},
    "colour_checks": {"colour": {"grey": "The frame has no colour.", "coloured": "A block of its pixels has colour."}},
    "rejects": {"reason": {reason.value: reason.description for reason in RejectReason}},
    "batch_faults": {
        "fault": {
            "too_large": "The batch decompresses to more than a quarter of `inflight.bytes_max`.",
            "damaged": "Checksum, compression or record structure is wrong.",
        }
    },
    "stage_seconds": {
        "stage": {
            "decode": "Decoding the image.",
            "queue": "Waiting for the device after decoding.",
            "inference": "Running the model on the whole batch.",
            "publish": "From the event to its acknowledgement.",
        }
    },
    "queue_frames": {
        "queue": {
            "decode": "Frames that wait for decoding. If full, inference or decoding is the bottleneck.",
            "publish": "Predictions that wait for their event. If full, building events is the bottleneck.",
        }
    },
    "transactions": {
        "outcome": {
            "committed": "Results and offsets were committed.",
            "aborted": "A rebalance or a fault intervened; the frames are read again.",
        }
    },
    "producer_failures": {
        "reason": {
            "too_large": "A record exceeded `max.message.bytes` of its topic.",
            "timestamp": "Kafka refused the record's time.",
            "timeout": "Kafka did not answer in time.",
            "authorization": "Access rules forbid the record.",
            "missing_topic": "The topic or its partition does not exist.",
            "fenced": "Another producer took the transactional id.",
            "rebalance": "A rebalance intervened; normal with exactly-once delivery.",
            "other": "Any other error; the log names it.",
        }
    },
    "offset_resets": {
        "cause": {
            "deleted": "Retention deleted frames before they were read.",
            "recreated": "The topic was deleted and created again.",
            "truncated": "A broker lost its newest frames.",
        }
    },
    "health_connections_closed": {
        "reason": {
            "too_many": "The oldest connection made room for a new one.",
            "timeout": "The connection was open for too long.",
            "handshake": "The TLS handshake failed.",
        }
    },
    "bundle_swaps": {"outcome": _RELOADS},
    "shadow_swaps": {"outcome": _RELOADS},
    "camera_condition": {
        "condition": CONDITIONS,
    },
    "camera_limit": {"condition": {name: CONDITIONS[name] for name in _LIMITED}},
    "camera_states": {"outcome": {name: _OUTCOMES[name] for name in ("sent", "failed")}},
    "frame_statistic": {"statistic": _STATISTICS},
    "frame_drift": {"statistic": _STATISTICS},
    "score_statistic": {"statistic": _SCORES},
    "score_drift": {
        "statistic": {**_SCORES, "classes": "Share of frames that would need another label to match the reference."}
    },
    "evidence_frames": {"outcome": _OUTCOMES},
    "review_frames": {"outcome": _OUTCOMES},
    "review_quota_frames": {
        "quota": {
            "class": "Frames whose scores are too low, or that have a flag: `review.per_hour_max`.",
            "novel": "Novel frames, and defects of an anomaly model: `review.novel_per_hour_max`.",
        },
        "outcome": {"admitted": "The frame was passed on to be sent.", "over_quota": _OUTCOMES["over_quota"]},
    },
    "shadow_frames": {
        "outcome": {
            "agrees": "Verdict and label are the same.",
            "differs": "Verdict or label differs.",
            "dropped": "The shadow is too slow for its share, or not loaded.",
            "failed": "Decoding or inference failed.",
        }
    },
    "shadow_verdicts": {"verdict": {**VERDICTS}, "shadow_verdict": {**VERDICTS}},
    "coils_frames": {
        "state": {
            "inspected": "The frame was inspected.",
            "skipped": "The frame was skipped because it was late.",
            "rejected": "The frame could not be inspected.",
        }
    },
    "coils_late_frames": {
        "outcome": {
            "late": "The summary is corrected.",
            "supplement": "The coil can no longer be corrected; its late frames get a separate summary.",
            "replayed": "As `supplement`, for frames that were sent again.",
        }
    },
    "coils_summaries": {
        "kind": {
            "first": "First summary of a coil.",
            "corrected": "Summary with a higher revision, corrected by late frames.",
            "supplement": "Summary of late frames of a coil that could no longer be corrected.",
        }
    },
    "coils_faulty": {"fault": {**POSITION_FAULTS, "silent_camera": "An expected camera sent no frame."}},
    "view_writes": {"kind": _WRITES},
    "view_failed_writes": {"kind": _WRITES},
    "view_corrections": {"decision": _DECISIONS},
    "view_failed_searches": {
        "reason": {
            "busy": "Too many searches were waiting.",
            "error": "An error in Stripwatch, which the log shows.",
            "kafka": "Kafka could not be reached, or stopped responding.",
            "timeout": "The search took too long.",
        }
    },
}
