"""Enumerations of text values, each with a sentence for the reference."""

from enum import StrEnum
from typing import Self


class DescribedEnum(StrEnum):
    """Text enumeration whose members are written as `NAME = "value", "Description of the value."`."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member


def list_values(descriptions: dict[str, str]) -> str:
    """Return the values and their meanings as text: "`a`: first meaning. `b`: second meaning."."""
    return " ".join(f"`{value}`: {text}" for value, text in descriptions.items())
