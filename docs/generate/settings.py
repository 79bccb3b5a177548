"""The page of all settings: allowed values and defaults come from the JSON Schema that pydantic derives."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from docs.generate.markdown import code, page, paragraph, table
from stripwatch.worker.config.renames import RENAMES
from stripwatch.worker.config.settings import LABEL_TABLES, SECTIONS, Settings

_HEAD = """# Settings

Every setting of `stripwatch run`, with its allowed values and its default.

## How settings are read

A setting has the value of the last of these sources that gives one:

1. the default,
2. the TOML file named by `--config FILE`,
3. the environment,
4. an option on the command line.

| source | how `evidence.enabled` is written |
| --- | --- |
| TOML file | `enabled = true` in the table `[evidence]`, or `evidence.enabled = true` before the first table |
| environment | `STRIPWATCH_EVIDENCE__ENABLED=true` |
| command line | `--evidence.enabled true`, or `--set evidence.enabled=true` |

**Environment variables** are named `STRIPWATCH_` and the key in upper case, with two underscores for each dot. A
variable may hold a whole section as a JSON object, as in `STRIPWATCH_EVIDENCE='{"enabled": true, "quality": 70}'`; a
variable for one setting wins over it. Setting keys may be written in any case, but the case of camera ids and labels
matters: `STRIPWATCH_CAMERAS__TOP-1__MM_PER_PX=0.5` sets the scale of camera `TOP-1`, not of `top-1`. A shell cannot
export a name that contains a hyphen or a space. Use `export STRIPWATCH_CAMERAS='{"TOP-1": {"mm_per_px": 0.5}}'`,
`--cameras.TOP-1.mm_per_px 0.5` or the file. Variables that Kubernetes sets for services, such as
`STRIPWATCH_SERVICE_HOST`, are not settings; the log lists them.

**Options.** Every command that reads settings accepts each of them as an option: `--deadline-ms 50`,
`--metrics.port=9109`, `--cameras.top-1.mm_per_px 0.4`, `--thresholds.scratch.sure 0.8`. A hyphen may replace an
underscore. A setting that is true or false is also a switch: `--evidence.enabled` sets true and `--no-evidence.enabled`
sets false. Values are read as in environment variables. `--set KEY=VALUE` does the same, but reads the value as TOML,
and as text if it is not valid TOML. Both may be given more than once; the last one counts. Commands that only connect
to Kafka accept `--security.KEY VALUE`.

**Empty values.** An empty value, such as `STRIPWATCH_BUNDLE=""`, unsets a setting that may be unset. For other
settings it is an error, unless an empty text is the default. `true` and `false` are not numbers.

**Errors.** A command that reads settings names all mistakes at once. Each has its file and line, environment variable
or option, and the allowed values. Relations between settings of one section are checked when each setting is valid.
Unknown keys are errors, for which the message suggests the nearest known key. Two keys that differ only in case are an
error too.

**Effective settings.** [`stripwatch config show`](commands.md#stripwatch-config-show) prints all settings as TOML, with
the origin of each. [`stripwatch check`](commands.md#stripwatch-check) does everything that `run` does before its first
frame, without connecting to Kafka.

**When changes take effect.** Settings are read once, at startup; restart the worker to change one. A running worker
does notice a replaced or newly promoted bundle ([`bundle_check_s`](#bundle_check_s); also the shadow bundle), renewed
certificate files of the metrics port, and a renewed `security.token_file`.

Commands that only need a connection to Kafka, such as [`stripwatch topics`](commands.md#stripwatch-topics), read only
`[security]`, from the file and the environment. [Renamed settings](#renamed-settings) lists the keys of earlier
versions.
"""
_RENAMED_HEAD = """## Renamed settings

Earlier versions had some settings under other keys. An old key is an error that names the new one.
`stripwatch config migrate worker.toml` rewrites a file to the new keys and keeps its comments and order. The old file
is kept as `worker.toml.bak`. Other errors in the file are reported and left for you to fix.
"""
_KEY = re.compile(r"(?<![\w`./])[a-z]+(?:[._][a-z_]+)+(?![\w`/])")
_TOP_LEVEL = "In the TOML file these keys come before the first table."


def settings_page() -> str:
    """Return the page with every setting, grouped by section."""
    schema = Settings.model_json_schema()
    by_section = {name: schema["$defs"][model.__name__] for name, model in SECTIONS.items()}
    top_level = {key: field for key, field in schema["properties"].items() if key not in _tables()}
    return page(
        _HEAD,
        *_section("Top-level settings", _TOP_LEVEL, "", {"properties": top_level}),
        *(
            block
            for name, section in by_section.items()
            for block in _section(f"`[{name}]`", section["description"], f"{name}.", section)
        ),
        *_label_sections(schema["properties"]),
        _RENAMED_HEAD,
        table(["old key", "new key"], ([code(old), _link(new)] for old, new in RENAMES.items())),
    )


def _tables() -> set[str]:
    return {name.partition(".")[0] for name in SECTIONS} | {path[0] for path in LABEL_TABLES}


def _label_sections(fields: Mapping[str, Any]) -> Iterator[str]:
    """Describe the sections that consist of labels only, such as [severity]."""
    for name in sorted(path[0] for path in LABEL_TABLES if len(path) == 1):
        field = fields[name]["additionalProperties"] | {"description": fields[name]["description"]}
        section = {"properties": {"LABEL": field}, "required": ["LABEL"]}
        yield from _section(f"`[{name}]`", "One key per label.", f"{name}.", section)


def _section(title: str, text: str, prefix: str, schema: Mapping[str, Any]) -> list[str]:
    blocks = [f"## {title}", paragraph(text)]
    for key, field in schema["properties"].items():
        default = "Required." if key in schema.get("required", ()) else f"Default: {_default(field)}."
        description = paragraph(_linked(_choices(field, field["description"]), f"{prefix}{key}"))
        blocks += [f"### `{prefix}{key}`", description, f"Value: {_values(field)}. {default}"]
    return blocks


def _choices(field: Mapping[str, Any], text: str) -> str:
    """Format each choice of a setting as code where its explanation begins, as in "auto: one per core"."""
    kinds = field.get("anyOf", [field])
    choices = [choice for kind in kinds for choice in kind.get("enum", [kind.get("const")]) if choice]
    return re.sub(rf"\b({'|'.join(map(re.escape, choices))}):", r"`\1`:", text) if choices else text


def _linked(text: str, own: str) -> str:
    """Link the keys of other settings that a description names, in full or without their section."""
    section = own.rpartition(".")[0]

    def link(found: re.Match[str]) -> str:
        word = found[0]
        ending = [key for key in all_keys() if key.endswith(f".{word}")]
        for key in (f"{section}.{word}", word, *(ending if len(ending) == 1 else ())):
            if key in all_keys() and key != own:
                return _link(key, word)
        return word

    return _KEY.sub(link, text)


def all_keys() -> list[str]:
    """The keys of all settings, with ID and LABEL for the names of cameras and labels."""
    top_level = [key for key in Settings.model_fields if key not in _tables()]
    top_level += [f"{path[0]}.LABEL" for path in LABEL_TABLES if len(path) == 1]
    return top_level + [f"{name}.{key}" for name, model in SECTIONS.items() for key in model.model_fields]


def _link(key: str, text: str = "") -> str:
    return f"[{code(text or key)}](#{key.replace('.', '').lower()})"


def _default(field: Mapping[str, Any]) -> str:
    """Format the default as TOML. A setting without a default is unset."""
    if "default" not in field:  # it is made by a factory, which only mappings have
        return "empty"
    return "none" if field["default"] is None else code(json.dumps(field["default"]))


def _values(field: Mapping[str, Any]) -> str:
    """Describe the allowed values in words, such as "integer, 1 to 64, or `"auto"`"."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    return ", or ".join(_kind(kind) for kind in kinds)


def _kind(kind: Mapping[str, Any]) -> str:
    if "const" in kind:
        return code(json.dumps(kind["const"]))
    if "enum" in kind:
        return ", ".join(code(json.dumps(choice)) for choice in kind["enum"])
    if kind["type"] == "boolean":
        return "`true` or `false`"
    if "additionalProperties" in kind:
        return f"table of labels, each with {_kind(kind['additionalProperties'])}"
    if kind["type"] == "string":
        return _text(kind)
    return str(kind["type"]) + _range(kind)


def _text(kind: Mapping[str, Any]) -> str:
    words = {"path": "path", "password": "text"}.get(kind.get("format", ""), "text")
    if "maxLength" in kind:
        words += f", at most {kind['maxLength']} characters"
    if "pattern" in kind:
        words += f", matching {code(kind['pattern'])}"
    return words + (", not empty" if kind.get("minLength") else "")


def _range(kind: Mapping[str, Any]) -> str:
    least, most = kind.get("minimum"), kind.get("maximum")
    if least is not None and most is not None:
        return f", {_number(least)} to {_number(most)}"
    limits = {"above": kind.get("exclusiveMinimum"), "at least": least, "at most": most}
    return "".join(f", {word} {_number(limit)}" for word, limit in limits.items() if limit is not None)


def _number(value: float) -> str:
    return f"{value:.10g}"
