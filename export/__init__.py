"""A trained Keras model in, one ONNX file out that says what it is and proves what it computes.

These names are the public API of export, imported on first use.
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
