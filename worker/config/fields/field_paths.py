"""Paths to settings, such as ("cameras", "top-1", "mm_per_px"), followed through the models of the settings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingPath:
    """A setting that exists.

    Attributes:
        path: Keys from the outermost section to the setting.
        model: Model that contains the field of the setting.
        field: Name of this field. For an entry of a table such as `severity.LABEL`, the name of the table.
        annotation: Type of the value.
    """

    path: Path
    model: type[BaseModel]
    field: str
    annotation: Any

    @property
    def is_table(self) -> bool:
        """True for a section, or a table whose keys are names."""
        return model_of(self.annotation) is not None or entry_of(self.annotation) is not None


def kinds_of(annotation: Any) -> tuple[Any, ...]:
    """Return the types that an annotation admits, without `Annotated`; `bool | None` gives (bool, NoneType).

    A list or tuple gives the bare type, without that of its entries.
    """
    if get_origin(annotation) is Annotated:
        return kinds_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for each in get_args(annotation) for kind in kinds_of(each))
    if get_origin(annotation) in (list, tuple):
        return (get_origin(annotation),)
    return (annotation,)


def choices_of(annotation: Any) -> list[Any]:
    """Return the literal values that an annotation admits."""
    return [value for kind in kinds_of(annotation) if get_origin(kind) is Literal for value in get_args(kind)]


def model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a section; None for a value or a table with free keys."""
    kinds = [kind for kind in kinds_of(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return kinds[0] if kinds else None


def entry_of(annotation: Any) -> Any:
    """Return the type of the entries of a table with free keys, such as `cameras`; None for anything else."""
    kinds = [kind for kind in kinds_of(annotation) if get_origin(kind) in (dict, Mapping)]
    return get_args(kinds[0])[1] if kinds else None


def follow(model: type[BaseModel], keys: Sequence[str | int]) -> SettingPath | None:
    """Follow keys to a setting as far as there are settings; None if the first key is not one.

    The location of a pydantic error ends with the kind of value that was tried. The result does not contain that.
    """
    found: SettingPath | None = None
    inner: type[BaseModel] | None = model
    entry: Any = None
    for key in map(str, keys):
        path = (*(found.path if found else ()), key)
        if inner is not None and key in inner.model_fields:
            found = SettingPath(path, inner, key, inner.model_fields[key].annotation)
        elif entry is not None and found is not None:
            found = SettingPath(path, found.model, found.field, entry)
        else:
            break
        inner, entry = model_of(found.annotation), entry_of(found.annotation)
    return found


def find_setting(model: type[BaseModel], key: str) -> SettingPath | None:
    """Find a setting by its key, in which a hyphen may replace an underscore and upper case lower case.

    The name of a camera or label is kept as it is, may contain dots, and may be in quotes, as in TOML.
    """
    keys: list[str] = []
    rest = key.split(".")
    annotation: Any = model
    while rest:
        if (inner := model_of(annotation)) is not None:
            keys.append(rest.pop(0).replace("-", "_").lower())
            field = inner.model_fields.get(keys[-1])
            annotation = field.annotation if field else None
        elif (entry := entry_of(annotation)) is not None:
            after = 1 if model_of(entry) is not None and len(rest) > 1 else 0
            keys.append(_unquoted(".".join(rest[: len(rest) - after])))
            rest, annotation = rest[len(rest) - after :], entry
        else:
            return None
    found = follow(model, keys)
    return found if found is not None and len(found.path) == len(keys) else None


def settings_in(model: type[BaseModel], values: BaseModel | None = None) -> Iterator[SettingPath]:
    """Yield all settings in the order of the fields, with those of sections.

    values: the settings whose tables with free keys are listed; without them, such a table is listed as a whole.
    """
    yield from _below(model, values, ())


def value_at(values: BaseModel, path: Sequence[str]) -> Any:
    """Return the value at a path."""
    found: Any = values
    for key in path:
        found = found[key] if isinstance(found, Mapping) else getattr(found, key)
    return found


def _below(model: type[BaseModel], values: BaseModel | None, above: Path) -> Iterator[SettingPath]:
    for name, field in model.model_fields.items():
        path = (*above, name)
        inner, entry = model_of(field.annotation), entry_of(field.annotation)
        value = None if values is None else getattr(values, name)
        if inner is not None:
            yield from _below(inner, value, path)
        elif entry is not None and value is not None:
            for key, each in value.items():
                below = model_of(entry)
                if below is not None:
                    yield from _below(below, each, (*path, key))
                else:
                    yield SettingPath((*path, key), model, name, entry)
        else:
            yield SettingPath(path, model, name, field.annotation)


def _unquoted(name: str) -> str:
    quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "\"'"
    return name[1:-1] if quoted else name
