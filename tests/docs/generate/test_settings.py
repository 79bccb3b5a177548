"""The settings page lists every setting with its values, its default and a description."""

import re
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from docs.generate import settings
from docs.generate.settings import settings_page
from stripwatch.worker.config.renames import RENAMES
from stripwatch.worker.config.settings import LABEL_TABLES, SECTIONS, Settings

OF_LABELS = [path[0] for path in LABEL_TABLES if len(path) == 1]  # sections with labels instead of fixed keys
TABLES = {name.split(".")[0] for name in SECTIONS} | {*OF_LABELS}
KEYS = [key for key in Settings.model_fields if key not in TABLES]
KEYS += [f"{name}.{key}" for name, model in SECTIONS.items() for key in model.model_fields]
KEYS += [f"{name}.LABEL" for name in OF_LABELS]


def entries() -> dict[str, list[str]]:
    """Each setting of the page with the paragraphs below its heading."""
    parts = re.split(r"^##+ (.*)\n", settings_page(), flags=re.MULTILINE)
    return {
        heading.strip("`"): text.strip().split("\n\n") for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_setting_has_one_entry_and_every_section_an_introduction() -> None:
    found = entries()
    sections = [f"[{name}]" for name in (*SECTIONS, *OF_LABELS)]
    headings = ["How settings are read", "Top-level settings", *sections, "Renamed settings"]
    assert set(found) == {*KEYS, *headings}
    assert all(found[heading][0] for heading in headings)


@pytest.mark.parametrize("key", KEYS)
def test_an_entry_has_a_description_the_values_and_the_default(key: str) -> None:
    description, values = entries()[key]
    assert len(description) > 15
    assert re.fullmatch(r"Value: \S.*\. (Default: \S.*|Required)\.", values)


def test_every_renamed_key_is_listed_with_a_link_to_the_new_one() -> None:
    text = "\n".join(entries()["Renamed settings"])
    for old, new in RENAMES.items():
        assert f"| `{old}` | [`{new}`](#{new.replace('.', '')}) |" in text


def test_an_added_setting_appears_with_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    class Section(BaseModel):
        """What it is for."""

        mode: Literal["fast", "exact"] = Field(
            default="fast", description="fast: as drain_s_max, on_time and mm_per_px."
        )
        share: float | None = Field(default=None, gt=0, le=0.5, description="Share of something.")
        workers: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = Field(default=1, description="How many.")
        on_time: bool = Field(default=False, description="Turn it on.")
        name: str = Field(min_length=1, max_length=9, pattern="^a", description="A name.")

    class More(Settings):
        added: Section

    monkeypatch.setattr(settings, "SECTIONS", SECTIONS | {"added": Section})
    monkeypatch.setattr(settings, "Settings", More)
    found = entries()
    assert found["[added]"] == ["What it is for."]
    assert found["added.mode"] == [
        "`fast`: as [`drain_s_max`](#drain_s_max), [`on_time`](#addedon_time) and [`mm_per_px`](#camerasidmm_per_px).",
        'Value: `"fast"`, `"exact"`. Default: `"fast"`.',
    ]
    assert found["added.share"][1] == "Value: number, above 0, at most 0.5. Default: none."
    assert found["added.workers"][1] == 'Value: integer, 1 to 64, or `"auto"`. Default: `1`.'
    assert found["added.on_time"][1] == "Value: `true` or `false`. Default: `false`."
    assert found["added.name"][1] == "Value: text, at most 9 characters, matching `^a`, not empty. Required."
