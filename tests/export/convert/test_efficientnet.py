"""int8 ruins EfficientNet (77.4 to 56.4 % on ImageNet, tensorflow/tpu#669), so the accuracy gate must reject it."""

import keras
import numpy as np
import pytest

from stripwatch.export.convert.accuracy_gate import LIMITS, measure_fidelity, violated_limits
from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.export.convert.ort_cpu import open_cpu
from stripwatch.export.convert.quantize import in_eight_bits
from stripwatch.export.convert.validation_scores import outputs_of
from stripwatch.export.runs.keras_model import backbone_name, exported_view
from tests.lively import frames_of, lively_classifier

pytestmark = [pytest.mark.training, pytest.mark.long]

SIDE_PX = 96


def test_the_gate_rejects_efficientnet_in_int8() -> None:
    frames = frames_of(SIDE_PX, count=48)
    model = lively_classifier("efficientnetb0", frames, "gap", "multiclass")
    view = exported_view(model, "gap")
    scores = keras.tree.flatten(view.predict(frames, verbose=0))[0]
    assert np.ptp(scores, axis=0).min() > 0.1
    candidates = in_eight_bits(to_onnx(view), backbone_name(model), frames)
    candidate = next(candidates)
    candidates.close()
    assert candidate.scheme.startswith("int8, every convolution")
    int8_scores = outputs_of(open_cpu(candidate.proto.SerializeToString()), ["scores"])(frames)["scores"]
    keras_labels = np.eye(scores.shape[1], dtype=bool)[scores.argmax(axis=1)]
    fidelity = measure_fidelity(scores, int8_scores, keras_labels, "multiclass", candidate.scheme)
    assert violated_limits(fidelity, LIMITS["int8"])
