"""Settings of the user: the flag, else the environment (``REPBNN_<NAME>``), else config.toml, else the default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from repbnn_edge.errors import BadInputError


def config_folder() -> Path:
    """Where config.toml and devices.toml live; ``REPBNN_CONFIG_DIR`` overrides."""
    override = os.environ.get("REPBNN_CONFIG_DIR")
    if override:
        return Path(override)
    import platformdirs

    return Path(platformdirs.user_config_dir("repbnn-edge", appauthor=False))


def cache_folder() -> Path:
    """Where converted networks, runtimes and references are kept; ``REPBNN_CACHE_DIR`` overrides."""
    override = os.environ.get("REPBNN_CACHE_DIR")
    if override:
        return Path(override)
    import platformdirs

    return Path(platformdirs.user_cache_dir("repbnn-edge", appauthor=False))


def load_config() -> dict[str, Any]:
    """Read config.toml: one table a command, keys as the flags (``[convert] samples = 32``).

    Raises:
        BadInputError: the file is no TOML.
    """
    path = config_folder() / "config.toml"
    if not path.is_file():
        return {}
    try:
        import tomllib
    except ImportError:  # Python 3.10
        import tomli as tomllib  # type: ignore[import-not-found,no-redef,unused-ignore]
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(str(path), f"it is not valid TOML ({error})", "correct or remove it") from error
    return {
        command: {key.replace("-", "_"): value for key, value in table.items()}
        for command, table in values.items()
        if isinstance(table, dict)
    }
