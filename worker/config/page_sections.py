"""Sections of the settings for the people at the line: limits for the state of a coil, and the live page."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from stripwatch.worker.config.sections import Section
from stripwatch.worker.contracts.coil_summary import Severity

Percent = Annotated[float, Field(ge=0, le=100)]
DefectFrames = Annotated[float, Field(ge=0, le=1_000_000)]
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


_CLOCK_TIME = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")
_SHIFTS_MAX = 12


class LimitsSettings(Section):
    """Limits that turn the figures of a coil into its state: ok, warning or alarm."""

    defect_frames_per_100_m: dict[str, DefectFrames] = Field(
        default_factory=dict,
        description="Maximum number of frames with a defect of a class per 100 m of inspected strip, by label, for "
        "example `scratch = 5`. Without strip positions the same number applies per 100 inspected frames. A label "
        "that is not listed has no limit.",
    )
    rejected_percent: Percent = Field(
        default=5, description="Maximum percentage of a coil's frames that are rejected. 100: no limit."
    )
    uncovered_percent: Percent = Field(
        default=5,
        description="Maximum percentage of a coil's length that no inspected frame shows. 100: no limit.",
    )
    unsure_percent: Percent = Field(
        default=20, description="Maximum percentage of a coil's inspected frames that are unsure. 100: no limit."
    )
    novel_percent: Percent = Field(
        default=5,
        description="Maximum percentage of a coil's inspected frames that are novel: the model was not trained on such "
        "frames. Above it the state is a warning, never an alarm. It should be several times the false-alarm rate of "
        "the bundle. 100: no limit.",
    )
    warning_at: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Fraction of a limit above which the state is a warning. Above the limit itself it is an alarm, or "
        "a warning for a minor class. 1: no warning below a limit.",
    )
    critical_alarm: bool = Field(
        default=True,
        description="Whether the first frame with a defect of a critical class is an alarm.",
    )
    unlisted_severity: Severity = Field(
        default="major", description="Severity of the classes that `[severity]` does not list."
    )
    strip_m_min: float = Field(
        default=20,
        gt=0,
        le=10_000,
        description="Length in metres below which a coil counts as this long, so that one defect at its head does not "
        "exceed a limit per 100 m or a percentage of the strip.",
    )
    frames_min: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="Number of frames below which a coil counts as having this many, so that one frame at its head "
        "does not exceed a percentage of the frames.",
    )


class ViewSettings(Section):
    """The page of `stripwatch view`: who may acknowledge alarms and correct predictions on it.

    The page only reads until token_file or user_header is set.
    """

    token_file: Path | None = Field(
        default=None,
        description="File with the tokens that allow people to acknowledge alarms and correct predictions on the page: "
        "one token for all, or one line `name:token` per person. It is read again when it changes. Unset: no token is "
        "accepted.",
    )
    user_header: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]{0,64}$",
        description="Request header with the name of the signed-in user, set by a reverse proxy, such as "
        "`X-Forwarded-User`. Requires origins, and proxies if the page listens beyond loopback. Empty: no header is "
        "trusted.",
    )
    proxies: str = Field(
        default="",
        description="Addresses or networks of the reverse proxies whose user_header is trusted, separated by commas, "
        "such as `10.0.0.5,172.18.0.0/16`. Empty: the addresses of this machine (loopback).",
    )
    origins: str = Field(
        default="",
        description="Addresses under which browsers open the page, separated by commas, such as "
        "`https://strip.example.com`. Only pages from these addresses, or from the server itself if user_header is "
        "empty, may write. Empty: the page must be opened at the server's own address.",
    )

    shifts: list[str] = Field(
        default=["06:00", "14:00", "22:00"],
        description="Start times of the shifts, 1 to 12, as HH:MM in `time_zone`. The history of the page compares the "
        "shifts.",
    )
    time_zone: str = Field(
        default="UTC",
        min_length=1,
        max_length=100,
        description="Time zone of the shifts, as an IANA name such as `Europe/Berlin`, including its daylight saving "
        "time.",
    )

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins in the form in which browsers send them: lower case, without a trailing slash."""
        return frozenset(_origin(each) for each in _parts(self.origins))

    @property
    def trusted_networks(self) -> tuple[IpNetwork, ...]:
        """The networks in `proxies`; those of loopback if it is empty."""
        return tuple(ipaddress.ip_network(each) for each in _parts(self.proxies) or ("127.0.0.0/8", "::1/128"))

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for each in _parts(value):
            _origin(each)
        return value

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for each in _parts(value):
            try:
                network = ipaddress.ip_network(each)
            except ValueError as error:
                raise ValueError(f"{each!r} is not an IP address or network: {error}") from error
            if network.prefixlen == 0:
                raise ValueError(f"{each} contains every address, so anyone could sign in under any name")
        return value

    @field_validator("shifts")
    @classmethod
    def _are_start_times(cls, value: list[str]) -> list[str]:
        if wrong := [start for start in value if not _CLOCK_TIME.fullmatch(start)]:
            raise ValueError(f"must be times from 00:00 to 23:59, such as 06:00, not {wrong[0]!r}")
        if not 1 <= len(set(value)) == len(value) <= _SHIFTS_MAX:
            raise ValueError(f"must be 1 to {_SHIFTS_MAX} different start times")
        return sorted(value)

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:
            raise ValueError("must be the IANA name of a time zone, such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Reject settings that are incomplete, or that would be ignored."""
        if self.user_header and not self.origins:
            raise ValueError("user_header requires origins, the address of the page behind the proxy")
        if self.proxies and not self.user_header:
            raise ValueError("proxies requires user_header, the header in which the proxies send the user's name")
        return self


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _origin(text: str) -> str:
    """Return an origin as browsers send it: without the default port of its scheme. Raises ValueError."""
    wrong = f"{text!r} is not an origin such as https://strip.example.com or http://10.0.0.5:8800"
    try:
        parts = urlsplit(text.lower())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(wrong) from error
    extra = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc or "*" in parts.netloc
    if parts.scheme not in ("http", "https") or not host or extra:
        raise ValueError(wrong)
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, default) else "")
