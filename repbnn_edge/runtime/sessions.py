"""One way to run a file, whichever runtime does it: what bench, eval and demo stand on. Imports no framework itself.

=============== ================================================== =====================
name            what                                               operators of LCE
=============== ================================================== =====================
litert          stock ai-edge-litert                               by our delegate
litert-compiled stock ai-edge-litert, its CompiledModel            by our delegate
tflite          stock tflite-runtime, or tf.lite where it is       by our delegate
                missing
lce             larq-compute-engine's own interpreter              built in
=============== ================================================== =====================
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from repbnn_edge.errors import BadInputError, UnsupportedError, UsageError
from repbnn_edge.files import scratch_folder, write_whole
from repbnn_edge.runtime.delegate import create, fault_of, load_ours
from repbnn_edge.tflite import lce

RUNTIMES = ("litert", "tflite", "lce", "litert-compiled")
Array = NDArray[Any]


@dataclass(frozen=True)
class DelegateFacts:
    """What our delegate took of a file.

    Attributes:
        version, implementation: of the library, and of its kernels (``avx512_vpopcntdq``, ``neon`` ...).
        nodes_total, nodes_delegated, partitions: counts of operators.
        refused: ``{"node", "op", "reason"}`` of each operator left to the runtime.
    """

    version: str
    implementation: str
    nodes_total: int
    nodes_delegated: int
    partitions: int
    refused: list[dict[str, Any]] = field(default_factory=list)

    @property
    def binary_refused(self) -> list[dict[str, Any]]:
        """The LCE operators among the refused."""
        return [node for node in self.refused if str(node["op"]).startswith("Lce")]


class NotDelegatedError(UnsupportedError):
    """A runtime cannot run the operators of LCE that our delegate left to it; ``facts`` names them all."""

    def __init__(self, facts: DelegateFacts) -> None:
        left = facts.binary_refused[0]
        why = f"the delegate left operator {left['node']} {left['op']}: {left['reason']}"
        super().__init__("the file", why, "see `repbnn-edge inspect`, or use --runtime lce")
        self.facts = facts


class Session(Protocol):
    """A file, ready to run one sample at a time."""

    @property
    def runtime(self) -> tuple[str, str]:
        """Name and version of the runtime."""

    @property
    def delegate(self) -> DelegateFacts | None:
        """What our delegate took; None without it."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the one input, batch included."""

    @property
    def input_type(self) -> np.dtype[Any]:
        """Of the one input."""

    def set_input(self, sample: Array) -> None:
        """Put one sample of ``input_shape`` in place, as ``input_type``."""

    def invoke(self) -> None:
        """Run once."""

    def output(self) -> Array:
        """A copy of the one output."""


def open_session(
    runtime: str,
    data: bytes,
    *,
    num_threads: int = 1,
    delegate: str = "auto",
    delegate_options: dict[str, str] | None = None,
) -> Session:
    """Open a file in a runtime.

    Args:
        runtime: one of ``RUNTIMES``.
        data: the file.
        num_threads: of the runtime and of the delegate.
        delegate: ``auto`` (ours, where the file has operators of LCE), ``none``, or the path of a library.
        delegate_options: ``key=value`` for the delegate, as docs/delegate.md lists them.

    Raises:
        UsageError: an unknown runtime, or delegate options that the delegate refuses.
        UnsupportedError: the runtime is not installed, or cannot run the file.
    """
    if runtime not in RUNTIMES:
        raise UsageError("--runtime", f"there is no {runtime!r}", f"give one of {', '.join(RUNTIMES)}")
    if num_threads < 1:
        raise UsageError("--num-threads", f"it is {num_threads}", "give at least 1")
    if runtime == "lce":
        return _LceSession(data, num_threads)
    if runtime == "litert-compiled":
        return _CompiledSession(data, num_threads, delegate, dict(delegate_options or {}))
    return _TfliteSession(runtime, data, num_threads, delegate, dict(delegate_options or {}))


def import_runtime(runtime: str) -> None:
    """Import what a runtime needs, so that opening a file does not include it.

    Raises:
        UsageError, UnsupportedError: as ``open_session``.
    """
    if runtime not in RUNTIMES:
        raise UsageError("--runtime", f"there is no {runtime!r}", f"give one of {', '.join(RUNTIMES)}")
    if runtime == "lce":
        from repbnn_edge import stack

        stack.larq_compute_engine()
        importlib.import_module("larq_compute_engine.tflite.python.interpreter")
    elif runtime == "litert-compiled":
        importlib.import_module("repbnn_edge.runtime.litert_compiled")
    else:
        _tflite_module(runtime)


class _LceSession:
    def __init__(self, data: bytes, num_threads: int) -> None:
        from repbnn_edge.runtime.lce import LceInterpreter

        self._interpreter = LceInterpreter(data, num_threads)
        self.runtime = ("lce", importlib.metadata.version("larq-compute-engine"))
        self.delegate: DelegateFacts | None = None
        self.input_shape = self._interpreter.input_shapes[0]
        self.input_type = self._interpreter.input_types[0]
        self._sample: Array = np.zeros(self.input_shape, self.input_type)
        self._outputs: list[Array] = []

    def set_input(self, sample: Array) -> None:
        self._sample = np.ascontiguousarray(sample, self.input_type).reshape(self.input_shape)

    def invoke(self) -> None:
        self._outputs = self._interpreter.run([self._sample])

    def output(self) -> Array:
        return np.array(self._outputs[0])


class _CompiledSession:
    def __init__(self, data: bytes, threads: int, delegate: str, options: dict[str, str]) -> None:
        from repbnn_edge.runtime.litert_compiled import CompiledModel

        ours = _wants_ours("litert-compiled", data, delegate)
        if not ours and delegate not in ("auto", "none"):
            raise UsageError("--delegate", "litert-compiled takes no delegate but ours", "leave it out")
        with _explanation(options) as explain:
            settings = {"log_level": "error", **options, "explain": str(explain)}
            self._model = CompiledModel(
                model_content=data, num_threads=threads, delegate_options=settings, use_delegate=ours
            )
            self.delegate = read_facts(explain.read_text(encoding="utf-8")) if ours else None
        self.runtime = ("litert-compiled", self._model.version)
        (self.input_shape,) = self._model.input_shapes
        self.input_type = np.dtype(self._model.input_types[0])

    def set_input(self, sample: Array) -> None:
        self._model.set_inputs([np.ascontiguousarray(sample, self.input_type).reshape(self.input_shape)])

    def invoke(self) -> None:
        self._model.invoke()

    def output(self) -> Array:
        return self._model.outputs()[0]


class _TfliteSession:
    def __init__(self, name: str, data: bytes, threads: int, delegate: str, options: dict[str, str]) -> None:
        module, package = _tflite_module(name)
        self.runtime = (name, importlib.metadata.version(package))
        self.delegate: DelegateFacts | None = None
        ours = _wants_ours(name, data, delegate)
        with _explanation(options) as explain:
            delegates = []
            if ours:
                quiet = {"num_threads": str(threads), "log_level": "error"}
                delegates = [load_ours(_loader_of(module), {**quiet, **options, "explain": str(explain)})]
            elif delegate not in ("auto", "none"):
                delegates = [_foreign_delegate(module, Path(delegate), options)]
            self._keep = delegates  # the interpreter must not outlive them
            self._data = data
            self._open(module, threads, delegates, explain)
            if ours:
                self.delegate = read_facts(explain.read_text(encoding="utf-8"))
        (details,) = self._interpreter.get_input_details()
        (result,) = self._interpreter.get_output_details()
        self.input_shape = tuple(int(size) for size in details["shape"])
        self.input_type = np.dtype(details["dtype"])
        self._input, self._output = details["index"], result["index"]

    def _open(self, module: Any, threads: int, delegates: list[Any], explain: Path) -> None:
        try:
            with warnings.catch_warnings():  # tf.lite announces its end on every use
                warnings.simplefilter("ignore", UserWarning)
                self._interpreter = module.Interpreter(
                    model_content=self._data, num_threads=threads, experimental_delegates=delegates or None
                )
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            facts = read_facts(explain.read_text(encoding="utf-8")) if explain.is_file() else None
            if facts is not None and facts.binary_refused:  # whatever the runtime says of them, this is why
                raise NotDelegatedError(facts) from error
            raise UnsupportedError(
                "the file", f"{self.runtime[0]} cannot run it ({error})", "see its message"
            ) from error

    def set_input(self, sample: Array) -> None:
        value = np.ascontiguousarray(sample, self.input_type).reshape(self.input_shape)
        self._interpreter.set_tensor(self._input, value)

    def invoke(self) -> None:
        self._interpreter.invoke()

    def output(self) -> Array:
        return np.array(self._interpreter.get_tensor(self._output))


def _wants_ours(runtime: str, data: bytes, delegate: str) -> bool:
    needs_ours = lce.named_in(data)
    if delegate == "none" and needs_ours:
        raise UnsupportedError(
            "the file", f"{runtime} does not know LCE's operators without a delegate", "leave out --delegate none"
        )
    return delegate == "auto" and needs_ours


@contextlib.contextmanager
def _explanation(options: Mapping[str, str]) -> Iterator[Path]:
    """Where our delegate explains what it took; the user's own path gets it too, whether the file then runs or not."""
    wanted = options.get("explain") or os.environ.get("REPBNN_EXPLAIN")
    with scratch_folder() as folder:
        path = folder / "explain.json"
        try:
            yield path
        finally:
            if wanted and path.is_file():
                write_whole(Path(wanted), path.read_bytes())


def _tflite_module(name: str) -> tuple[Any, str]:
    candidates = {
        "litert": [("ai_edge_litert.interpreter", "ai-edge-litert")],
        "tflite": [("tflite_runtime.interpreter", "tflite-runtime"), ("tensorflow.lite", "tensorflow")],
    }[name]
    for module, package in candidates:
        try:
            if module == "tensorflow.lite":
                from repbnn_edge import stack

                return stack.tensorflow().lite, package
            return importlib.import_module(module), package
        except ImportError:
            continue
    package = candidates[0][1]
    raise UnsupportedError(f"runtime {name}", f"{package} is not installed", f"pip install {package}")


def _loader_of(module: Any) -> Any:
    return getattr(module, "load_delegate", None) or module.experimental.load_delegate


def _foreign_delegate(module: Any, library: Path, options: dict[str, str]) -> Any:
    fault = fault_of(library) if library.is_file() else "no such file"
    if fault:
        raise BadInputError(str(library), fault, "check --delegate")
    return create(_loader_of(module), library, options)


def read_facts(explanation: str) -> DelegateFacts:
    """What our delegate took, out of what it wrote where its option ``explain`` says.

    Raises:
        ValueError, KeyError, TypeError: it is none of ours.
    """
    body = json.loads(explanation)
    nodes = body["nodes"]
    refused = [{key: node[key] for key in ("node", "op", "reason")} for node in nodes if not node["claimed"]]
    return DelegateFacts(
        version=body["version"],
        implementation=body["implementation"],
        nodes_total=len(nodes),
        nodes_delegated=len(nodes) - len(refused),
        partitions=body["partitions"],
        refused=refused,
    )
