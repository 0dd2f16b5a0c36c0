"""Tests of the ONNX import."""
