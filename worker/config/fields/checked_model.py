"""Base of all settings models, with the rules that apply to every value."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from stripwatch.worker.config.fields.field_paths import entry_of, kinds_of


class CheckedModel(BaseModel):
    """Settings in which unknown keys, infinity and NaN are invalid.

    An empty value unsets an optional setting, because neither an environment variable nor an option can be null:
    `STRIPWATCH_BUNDLE=""` means no bundle, not the current folder. A boolean is not a number, although pydantic
    converts true to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _apply_rules(cls, value: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds, entry = kinds_of(annotation), entry_of(annotation)
        if value == "" and type(None) in kinds:
            return None
        if isinstance(value, bool) and _are_numbers(kinds):
            raise PydanticCustomError("boolean_for_number", "must be a number, not a boolean")
        if entry is not None and isinstance(value, Mapping) and _are_numbers(kinds_of(entry)):
            for name, each in value.items():
                if isinstance(each, bool):
                    raise ValueError(f"{name} must be a number, not {str(each).lower()}")
        return value


def _are_numbers(kinds: Collection[Any]) -> bool:
    return bool not in kinds and (int in kinds or float in kinds)
