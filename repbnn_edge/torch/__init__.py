"""For PyTorch networks: ``repbnn_edge.torch.export`` writes the ONNX file that ``repbnn-edge convert`` takes.

Importing this package does not import PyTorch; ``export`` does.
"""

from repbnn_edge.torch.exporting import ExportReport, export

__all__ = ["ExportReport", "export"]
