"""Start of the commands, so that Ctrl-C ends them with one sentence even while they are imported.

Imports take a fraction of a second, and the handling of Ctrl-C is one of the things that they import. This module must
therefore import nothing that takes long.
"""

import importlib
import sys

_INTERRUPTED = 130


def run_main(module: str) -> None:
    """Import a module and call its function `main`.

    module: absolute name, such as "stripwatch.cli".
    """
    try:
        importlib.import_module(module).main()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("error: interrupted\n")
        sys.exit(_INTERRUPTED)
