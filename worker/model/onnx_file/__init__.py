"""The protobuf message of an ONNX file: its metadata, checksum and graph, read without the onnx package."""
