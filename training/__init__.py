"""Training of defect classifiers in Keras on labelled images of steel.

The names below are the public API of training. They are imported on first use.
"""

from typing import TYPE_CHECKING

from stripwatch.export.runs.lazy_imports import load_tensorflow
from stripwatch.worker.common.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from stripwatch.training.evaluation.evaluate import EvaluateSettings
    from stripwatch.training.evaluation.evaluate import evaluate_run as evaluate
    from stripwatch.training.fitting.fit import fit
    from stripwatch.training.fitting.fit_settings import FitSettings

__all__ = ["EvaluateSettings", "FitSettings", "evaluate", "fit"]
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "EvaluateSettings": "stripwatch.training.evaluation.evaluate:EvaluateSettings",
        "FitSettings": "stripwatch.training.fitting.fit_settings:FitSettings",
        "evaluate": "stripwatch.training.evaluation.evaluate:evaluate_run",
        "fit": "stripwatch.training.fitting.fit:fit",
    },
    prepare={"EvaluateSettings": load_tensorflow, "evaluate": load_tensorflow, "fit": load_tensorflow},
)
