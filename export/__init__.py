"""Export of trained Keras models to bundles: single ONNX files with a manifest and a built-in self-test.

The names below are the public API of export. They are imported on first use.
"""

from typing import TYPE_CHECKING

from stripwatch.export.runs.lazy_imports import load_tensorflow
from stripwatch.worker.common.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from stripwatch.export.convert.export_run import ExportSettings, export_run
    from stripwatch.export.convert.verify import verify

__all__ = ["ExportSettings", "export_run", "verify"]
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ExportSettings": "stripwatch.export.convert.export_run:ExportSettings",
        "export_run": "stripwatch.export.convert.export_run:export_run",
        "verify": "stripwatch.export.convert.verify:verify",
    },
    prepare={"ExportSettings": load_tensorflow, "export_run": load_tensorflow},
)
