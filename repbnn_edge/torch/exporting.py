"""One line from a PyTorch network to the ONNX file that keeps its binary layers recognisable."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from repbnn_edge import console
from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError, VerificationError
from repbnn_edge.files import output_exists, storage_error, write_whole
from repbnn_edge.torch.children import in_a_child
from repbnn_edge.torch.comparing import NotRunnableError, compare
from repbnn_edge.torch.functions import forwards_only

Exporter = Literal["dynamo", "torchscript"]
OPSET = 18
_EXAMPLE = "give torch.zeros(1, 3, 224, 224)"


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        path: the file, weights inside.
        exporter: which of PyTorch's two exporters made it.
        opset: of the operators.
        reason: why dynamo did not, where TorchScript had to; else empty.
        compared: whether onnxruntime gave what the network gives, on the example and random images. False where that
            says nothing (a network that a rounding turns into another, or that runs only in its exporter); a file
            that is wrong is never written.
    """

    path: Path
    exporter: Exporter
    opset: int
    reason: str = ""
    compared: bool = True


def export(model: Any, example: Any, path: str | Path, *, overwrite: bool = False) -> ExportReport:
    """Export a network in eval mode, in float32, with a batch of one, weights inside the one file.

    The dynamo exporter is tried first; where it cannot, TorchScript's does it, and a warning says why. The given model
    stays as it is: its mode, its device and its buffers. The file is run by onnxruntime and compared with the network
    before it is written.

    Args:
        model: a ``torch.nn.Module`` whose ``forward`` takes one image batch and returns one tensor.
        example: one input, a float tensor (1, channels, rows, columns); of a larger batch the first is taken.
        path: where to write; ``.onnx``.
        overwrite: replace a file that exists.

    Raises:
        UsageError: ``path`` exists, has another suffix, or ``example`` is no such tensor.
        UnsupportedError: PyTorch is not installed, or neither exporter takes the network; says why.
        VerificationError: the exported file computes something else than the network.
        StorageError: the disk refuses.
    """
    torch = _torch()
    target = Path(path)
    _check(torch, model, example, target, overwrite=overwrite)
    network = copy.deepcopy(model).to("cpu").float().eval()
    image = example.detach()[:1].to("cpu").float()
    with torch.no_grad():
        made = _export(torch, network, copy.deepcopy(network), image)
    write_whole(target, made.data, overwrite=overwrite)
    if made.reason:
        console.warn(f"{target}: exported with TorchScript, since dynamo cannot ({made.reason})")
    if not made.compared:
        console.warn(f"{target}: not compared with the network ({made.why_not})")
    return ExportReport(target, made.exporter, OPSET, made.reason, made.compared)


@dataclass(frozen=True)
class _Made:
    """An exported file, and ``why_not`` it was compared with the network, if so."""

    data: bytes
    exporter: Exporter
    reason: str
    why_not: str

    @property
    def compared(self) -> bool:
        return not self.why_not


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise UnsupportedError("PyTorch", "it is not installed", "pip install 'repbnn-edge[torch]'") from error
    return torch


def _check(torch: Any, model: Any, example: Any, path: Path, *, overwrite: bool) -> None:
    if path.suffix.lower() != ".onnx":
        raise UsageError(str(path), "it does not end in .onnx", "give a name like model.onnx")
    if path.exists() and not overwrite:
        raise output_exists(path)
    if not isinstance(model, torch.nn.Module):
        raise UsageError("model", f"it is {type(model).__name__}, not a torch.nn.Module", "give the network itself")
    if not isinstance(example, torch.Tensor) or not example.is_floating_point() or example.dim() not in (2, 4):
        raise UsageError("example", "it is no float tensor (1, channels, rows, columns)", _EXAMPLE)
    if not len(example):
        raise UsageError("example", "its batch is empty", _EXAMPLE)


def _export(torch: Any, network: Any, own: Any, image: Any) -> _Made:
    """By dynamo, else by TorchScript; ``own`` is a copy that no exporter touches, to compare with."""
    with contextlib.suppress(ImportError):
        import onnxscript  # noqa: F401 - dynamo's exporter needs it: loaded once here, not in every child
    try:
        data = in_a_child(lambda: _run(torch, network, image, dynamo=True))
        return _Made(data, "dynamo", "", _compared(torch, own, data, image))
    except Exception as error:  # torch.export raises whatever the network's own code and a dozen passes raise
        reason = _first_line(error)
    try:
        data = _torchscript(torch, network, image)
        return _Made(data, "torchscript", reason, _compared(torch, own, data, image))
    except VerificationError:
        raise
    except Exception as error:
        why = f"dynamo cannot export it ({reason}), and TorchScript cannot either ({_first_line(error)})"
        remedy = "export it in float32 without Python side effects in forward, see docs/pytorch.md"
        raise UnsupportedError(type(network).__name__, why, remedy) from error


def _compared(torch: Any, network: Any, data: bytes, image: Any) -> str:
    """Compare the file with the network; gives why that says nothing, if so.

    Raises:
        VerificationError: they differ.
        Exception: onnxruntime cannot load the file.
    """
    try:
        found = compare(torch, network, data, image)
    except NotRunnableError as error:
        return f"the network does not run outside the exporter: {_first_line(error)}"
    if found.differs:
        why = (
            f"the exported file computes something else: its output is {found.difference:.2g} of the output's spread "
            f"away, where a rounding moves the network's own by {found.own:.1g}"
        )
        remedy = "look in forward for x.data = ..., for what happens once only, or for what changes the weights"
        raise VerificationError(type(network).__name__, why, remedy)
    if found.tells:
        return ""
    return f"a rounding of its input changes its own output by {found.own:.0%}" if found.inputs else "its output is NaN"


def _torchscript(torch: Any, network: Any, image: Any) -> bytes:
    """Export with TorchScript, custom autograd functions by their arithmetic: it has no operator for some of them."""
    try:
        with forwards_only(torch):
            return _run(torch, network, image, dynamo=False)
    except Exception:  # a forward that needs autograd's own context; the second error is the one to tell
        return _run(torch, network, image, dynamo=False)


def _run(torch: Any, network: Any, image: Any, *, dynamo: bool) -> bytes:
    """Export into a temporary folder, external data included, and give the one file that it makes."""
    import onnx

    options: dict[str, Any] = {"opset_version": OPSET, "dynamo": dynamo}
    if dynamo:
        options["external_data"] = False
    else:
        options["training"] = torch.onnx.TrainingMode.EVAL
    try:
        with tempfile.TemporaryDirectory(prefix="repbnn-") as folder, _quiet():
            file = Path(folder) / "model.onnx"
            torch.onnx.export(network, (image,), str(file), **options)
            model = onnx.load(str(file))  # written by PyTorch a moment ago, into a folder of our own
    except OSError as error:
        raise storage_error(Path(tempfile.gettempdir()), error) from error
    data = bytes(model.SerializeToString())
    if not data:
        raise BadInputError("the export", "it is empty", "try another network")
    return data


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' progress from stdout, where results of ours go, and their deprecations from stderr."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:160]
