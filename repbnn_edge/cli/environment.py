"""``REPBNN_<NAME>`` in the environment stands for the option ``--name`` of every command that has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PREFIX = "REPBNN_"


@dataclass(frozen=True)
class KnownOption:
    """An option of a command: its key in config.toml, its default, and its environment variable."""

    name: str
    default: Any
    environment: str


def bind(group: Any) -> None:
    """Let every option of every command be given by its environment variable."""
    for _, command in commands(group):
        for parameter in _parameters(command):
            if not parameter.envvar:
                parameter.envvar = _variable(parameter)
                parameter.show_envvar = False  # --help would say it a dozen times; docs/json.md says it once


def commands(group: Any) -> Iterator[tuple[str, Any]]:
    """The commands of a group by name; those of a group inside it by the inner name's path."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {inner}", found) for inner, found in commands(command))
        else:
            yield name, command


def options(command: Any) -> list[KnownOption]:
    """The options of a command that a setting may give."""
    return [
        KnownOption(
            name=str(parameter.name),
            default=_plain(parameter.default),
            environment=parameter.envvar if isinstance(parameter.envvar, str) else _variable(parameter),
        )
        for parameter in _parameters(command)
    ]


def _parameters(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and p.name != "help"]


def _variable(parameter: Any) -> str:
    long = next((option for option in parameter.opts if option.startswith("--")), parameter.opts[0])
    return PREFIX + long.lstrip("-").replace("-", "_").upper()


def _plain(value: Any) -> Any:
    """A default as JSON has it."""
    if value is None or isinstance(value, bool | int | float | str):
        return getattr(value, "value", value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
