"""Old keys of settings that have moved into sections, and the error that names their new keys."""

import re
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from stripwatch.worker.config.settings import ENV_PREFIX

RENAMES = {
    "shadow": "shadow.bundle",
    "shadow_share": "shadow.share",
    "evidence": "evidence.enabled",
    "evidence_per_minute_max": "evidence.per_minute_max",
    "evidence_bytes_max": "evidence.bytes_max",
    "evidence_side_px_max": "evidence.side_px_max",
    "evidence_quality": "evidence.quality",
    "review": "review.enabled",
    "review_per_hour_max": "review.per_hour_max",
    "reject_bytes_max": "rejects.bytes_max",
    "reject_share_max": "rejects.share_max",
    "reject_window_s": "rejects.window_s",
    "frame_bytes_max": "frames.bytes_max",
    "frame_pixels_max": "frames.pixels_max",
    "frame_side_px_min": "frames.side_px_min",
    "inflight_frames_max": "inflight.frames_max",
    "inflight_bytes_max": "inflight.bytes_max",
    "transaction_ms": "exactly_once.transaction_ms",
    "transaction_s_max": "exactly_once.transaction_s_max",
    "broker_wait_s_max": "broker.wait_s_max",
    "broker_away_s_max": "broker.away_s_max",
    "metrics_host": "metrics.host",
    "metrics_port": "metrics.port",
    "camera_labels_max": "metrics.camera_labels_max",
    "log_format": "log.format",
    "log_level": "log.level",
}
# Kubernetes sets these in every pod, for each service whose name begins with "stripwatch". They are not settings.
_SERVICE_VARIABLE = re.compile(
    ENV_PREFIX + r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)"
)
_SERVICE_ADDRESS_VARIABLE = re.compile(ENV_PREFIX + r"(\w+_)?PORT")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def old_keys(values: Mapping[str, Any]) -> list[str]:
    """Return the old keys in a TOML document as they are spelled there; settings may be written in any case.

    Tables are not old keys: `[evidence]` is a section, and `[[evidence]]` is a misspelled section.
    """
    return [key for key, value in values.items() if key.lower() in RENAMES and not _is_table(value)]


def new_key(old: str) -> str:
    """Return the new key for an old one in upper, lower or mixed case."""
    return RENAMES[old.lower()]


def own_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with the prefix of settings, except those that Kubernetes sets for services."""
    return {name: value for name, value in _prefixed(environment).items() if not _is_kubernetes(name.upper(), value)}


def service_variables(environment: Mapping[str, str]) -> list[str]:
    """Return the names of variables with the prefix of settings that Kubernetes sets for services."""
    return sorted(name for name, value in _prefixed(environment).items() if _is_kubernetes(name.upper(), value))


def _prefixed(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.upper().startswith(ENV_PREFIX)}


def renaming_problem(
    config: Path | None, in_file: Mapping[str, Any], in_flags: Mapping[str, Any], variables: Mapping[str, str]
) -> str:
    """Name each old key with its new key; empty if there is no old key.

    variables: as `own_variables` returns them.
    """
    file_keys, flag_keys = old_keys(in_file), old_keys(in_flags)
    variables = {name.upper(): value for name, value in variables.items()}
    sentences = [f"setting {key!r} is now {new_key(key)!r}" for key in dict.fromkeys([*file_keys, *flag_keys])]
    sentences += [
        f"environment variable {name} is now {new}"
        for name, new in _old_variables().items()
        if _is_old(name, variables)
    ]
    if file_keys:
        sentences.append(f"to rewrite the file, run: stripwatch config migrate {quote(str(config))}")
    if flag_keys:
        sentences.append("use the new key on the command line")
    return "; ".join(sentences)


def without_old_keys(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables without those that have an old name."""
    old, upper = _old_variables(), {name.upper(): value for name, value in variables.items()}
    return {
        name: value for name, value in variables.items() if name.upper() not in old or not _is_old(name.upper(), upper)
    }


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(each, Mapping) for each in value))


def _is_kubernetes(name: str, value: str) -> bool:
    if _SERVICE_VARIABLE.fullmatch(name):
        return True
    return bool(_SERVICE_ADDRESS_VARIABLE.fullmatch(name) and _SERVICE_ADDRESS.match(value))


def _old_variables() -> dict[str, str]:
    return {ENV_PREFIX + old.upper(): ENV_PREFIX + new.replace(".", "__").upper() for old, new in RENAMES.items()}


def _is_old(name: str, variables: Mapping[str, str]) -> bool:
    """Return whether an old variable is set. STRIPWATCH_EVIDENCE={"enabled": true} sets a section, not an old key."""
    return name in variables and not variables[name].lstrip().startswith("{")
