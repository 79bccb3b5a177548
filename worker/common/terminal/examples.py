"""Examples at the end of a command's help, apart from the docstring of a function that has many options."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def with_examples(lines: str) -> Callable[[Function], Function]:
    """Decorate the function of a command: add examples to its docstring, which is the help of the command."""

    def add(function: Function) -> Function:
        function.__doc__ = f"{inspect.getdoc(function) or ''}\n\n\b\nExample:\n{lines}"
        return function

    return add
