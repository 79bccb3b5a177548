"""A trained Keras model in, one ONNX file out that says what it is and proves what it computes."""
