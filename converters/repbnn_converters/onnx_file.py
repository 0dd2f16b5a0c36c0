"""Front end of ``.onnx`` files: what ``torch.onnx.export`` makes of a binary network, as its authors wrote it."""

from __future__ import annotations

from pathlib import Path

from repbnn_edge.conversion.source import LoadedSource, LoadOptions
from repbnn_edge.errors import UsageError


class FrontEnd:
    """Imports an ONNX file; the file is only ever read."""

    def accepts(self, source: str) -> bool:
        """True for an existing path that ends in .onnx."""
        return source.lower().endswith(".onnx") and Path(source).exists()

    def load(self, source: str, options: LoadOptions) -> LoadedSource:
        """Import the file.

        Raises:
            BadInputError: no ONNX file, broken or hostile.
            UnsupportedError: a node without an exact form, a training export; names the node.
            UsageError: ``--beta`` or ``--weights``, which an ONNX file has already, or another input shape.
        """
        from repbnn_converters.onnx.importing import import_network
        from repbnn_converters.onnx.keras_lowering import to_keras
        from repbnn_converters.onnx.reference import OnnxReference
        from repbnn_edge.conversion.models import beta_of, preprocessing_of
        from repbnn_edge.files import sha256_of

        path = Path(source)
        _check_options(path, options)
        imported = import_network(path)
        model, names = to_keras(imported.network, path.stem)
        reference = OnnxReference(imported, names)
        _check_input_shape(path, options.input_shape, reference.input_shape)
        return LoadedSource(
            kind="onnx",
            name=path.name,
            sha256=sha256_of(path),
            network=model,
            reference=reference,
            beta=beta_of(model),
            preprocessing=preprocessing_of(options, reference.input_shape[-1]),
            labels=options.labels or (),
            warnings=list(imported.network.notes),
        )


def _check_options(path: Path, options: LoadOptions) -> None:
    if options.beta is not None:
        remedy = f"import it with --keras, then: repbnn-edge transform NETWORK.keras --beta {options.beta}"
        raise UsageError("--beta", f"{path} has its shapes already", remedy)
    if options.weights is not None:
        raise UsageError("--weights", f"{path} has its weights already", "export the network with those weights")


def _check_input_shape(path: Path, given: tuple[int, ...] | None, own: tuple[int, int, int]) -> None:
    if given is not None and tuple(given[-3:]) != own:
        text = ",".join(map(str, own))
        raise UsageError("--input-shape", f"{path} was exported for 1,{text}", "export it again with that image size")
