"""Front end of ``path/to/file.py:function``: the only one that runs the user's code, because the user asks for it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from repbnn_converters.keras_source import source_of
from repbnn_edge import stack
from repbnn_edge.conversion.source import LoadedSource, LoadOptions
from repbnn_edge.errors import BadInputError, RepbnnError
from repbnn_edge.files import check_input_file, sha256_of


class FrontEnd:
    """Imports a Python file and calls the named function, which returns a Keras model."""

    def accepts(self, source: str) -> bool:
        """True for ``something.py:name``, and for a bare ``.py`` file, to say what is missing."""
        path, _, function = source.rpartition(":")
        return (path.endswith(".py") and function.isidentifier()) or source.endswith(".py")

    def load(self, source: str, options: LoadOptions) -> LoadedSource:
        """Run the function; see ``FrontEnd.load`` of the core for the errors."""
        if source.endswith(".py"):
            raise BadInputError(source, "which function builds the network is not said", f"write {source}:function")
        file, _, function = source.rpartition(":")
        path = Path(file)
        check_input_file(path)
        model = _call(path, function)
        return source_of(model, kind="python", name=f"{path.name}:{function}", sha256=sha256_of(path), options=options)


def _call(path: Path, function: str) -> Any:
    stack.tensorflow()
    name = f"_repbnn_source_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))  # as `python file.py` would: its neighbours can be imported
    try:
        spec.loader.exec_module(module)
        build = getattr(module, function, None)
        if not callable(build):
            raise BadInputError(str(path), f"it has no function {function!r}", "check the name behind the colon")
        return build()
    except RepbnnError:
        raise
    except Exception as error:
        raise BadInputError(
            f"{path}:{function}", f"{type(error).__name__}: {error}", "run it in Python to see where"
        ) from error
    finally:
        sys.path.remove(str(path.resolve().parent))
