#!/usr/bin/env bash
# Creates the virtual environment named by $1 and installs the project into it, pinned by constraints.txt.
# uv when it is there (seconds), pip when it is not (minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
python=${PYTHON:-python3.11}
command -v "$python" >/dev/null || python=python3
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || {
    echo "error: $python: it is not Python 3.10 to 3.12, install Python 3.11 or set PYTHON=/path/to/python3.11" >&2
    exit 3
}

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }

[ -x "$venv/bin/python" ] || { say "creating $venv ($("$python" --version))"; "$python" -m venv "$venv"; }

if command -v uv >/dev/null; then
    installer=(uv pip install --python "$venv/bin/python")
    say "installing with uv (about 4 GB with PyTorch, a minute or two)"
else
    installer=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
    say "installing with pip (about 4 GB with PyTorch, some minutes; uv would be faster)"
fi
"${installer[@]}" -c constraints.txt scikit-build-core "setuptools<81" cmake ninja
"${installer[@]}" -c constraints.txt --no-build-isolation -e ".[dev,torch,zoo]"
# They ask for a protobuf that TensorFlow 2.19 does not run with, and work without it: see docs/transform.md.
"${installer[@]}" -c constraints.txt --no-deps larq-zoo zookeeper
# uv leaves this to the first import, and where PYTHONDONTWRITEBYTECODE is set to every import: inspect then takes 0.9 s
# instead of 0.4, tensorflow 20 s instead of 10.
say "compiling bytecode"
packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for name in numpy pydantic typer rich ai_edge_litert flatbuffers packaging jinja2 tensorflow keras tf_keras larq \
    larq_compute_engine absl google h5py ml_dtypes; do
    "$venv/bin/python" -m compileall -q "$packages/$name" >/dev/null || true # a template among them is no Python
done
say "ready: $venv/bin/repbnn-edge --help"
