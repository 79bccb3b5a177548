"""Lazy imports for packages (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(
    package: str, targets: Mapping[str, str], prepare: Mapping[str, Callable[[], None]] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package whose names are imported on first use.

    Assign both (`__getattr__, __dir__ = lazy_exports(...)`), so that mypy still rejects unknown names.

    Args:
        package: Name of the package.
        targets: "module:name" by public name.
        prepare: Function to call before the module of a name is imported, by public name.
    """

    def get(name: str) -> Any:
        if name not in targets:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if prepare and name in prepare:
            prepare[name]()
        module, _, attribute = targets[name].partition(":")
        value = getattr(importlib.import_module(module), attribute)
        setattr(sys.modules[package], name, value)  # the next access does not call this function
        return value

    def names() -> list[str]:
        return sorted({*targets, *(name for name in vars(sys.modules[package]) if name.startswith("__"))})

    return get, names
