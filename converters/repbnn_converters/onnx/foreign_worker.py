"""The process that runs onnx2tf: on a copy, without a network, and gone when its time is over.

    python -m repbnn_converters.onnx.foreign_worker MODEL.onnx FOLDER

writes FOLDER/channels_last and FOLDER/as_it_is, SavedModels, whichever of the two onnx2tf can make.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path
from typing import Any

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_REFUSED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request")


def without_network() -> None:
    """Leave the network for good: a namespace without interfaces where the kernel grants one, an audit hook anywhere.

    onnx2tf downloads files in the middle of a conversion.
    """
    with contextlib.suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NETWORK)

    def refuse(event: str, _: Any) -> None:
        if event in _REFUSED:
            raise PermissionError(f"{event}: a conversion has no network")

    sys.addaudithook(refuse)


def main(model: Path, folder: Path) -> None:
    """Convert ``model``, whose input is ``x``, in both layouts."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import onnx2tf

    layouts: dict[str, dict[str, Any]] = {
        "channels_last": {},
        "as_it_is": {"keep_shape_absolutely_input_names": ["x"]},
    }
    for name, options in layouts.items():
        with contextlib.suppress(Exception, SystemExit):  # it leaves by sys.exit; what it did not write is missed
            onnx2tf.convert(
                input_onnx_file_path=str(model),
                output_folder_path=str(folder / name),
                output_signaturedefs=True,
                not_use_onnxsim=True,
                not_use_opname_auto_generate=True,
                verbosity="error",
                **options,
            )


if __name__ == "__main__":
    without_network()
    main(Path(sys.argv[1]), Path(sys.argv[2]))
