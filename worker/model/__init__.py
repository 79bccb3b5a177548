"""The bundle and how it runs: manifest, checks, ONNX Runtime session, verdicts, batch sizes."""
