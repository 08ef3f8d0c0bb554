"""How the value of an environment variable is read; `settings` says which there are, here and in the web app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from bank_assets.contract.values import NumberError, number_within
from bank_assets.contract.yaml_tree import file_text

PREFIX: Final = "BANK_"
_YES, _NO = ("1", "true", "yes", "on", "required"), ("0", "false", "no", "off")
_WHY: Final = {"LEARNING_ROWS": " (fewer hold too few subscribers to fit a model on)"}
N = TypeVar("N", bound=float | None)
T = TypeVar("T")


class SettingsError(ValueError):
    """An environment variable has an unusable value; the message names it and what was expected."""


def number(env: Mapping[str, str], name: str, default: N, low: float, high: float, is_whole: bool = False) -> float | N:
    """The number of a variable, within its bounds."""
    if not (text := env.get(PREFIX + name, "")).strip():
        return default
    try:
        return number_within(text, low, high, is_whole=is_whole, is_money=name.endswith("_EUR"))
    except NumberError as error:
        without = "none" if default is None else f"the default {default:,.15g}"
        raise SettingsError(f"{PREFIX}{name}: {error}{_WHY.get(name, '')}; unset it for {without}.") from error


def whole(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """The whole number of a variable, within its bounds."""
    return int(number(env, name, default, low, high, is_whole=True))


def flag(env: Mapping[str, str], name: str, default: bool) -> bool:
    """The yes or no of a variable."""
    text = env.get(PREFIX + name, "").strip().lower()
    if text and text not in _YES + _NO:
        raise SettingsError(f"{PREFIX}{name}: expected yes or no, found {text!r}.")
    return text in _YES if text else default


def choice(env: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """The word of a variable, one of some choices."""
    text = env.get(PREFIX + name, "").strip().lower() or default
    if text not in choices:
        raise SettingsError(f"{PREFIX}{name}: expected {' or '.join(choices)}, found {text!r}; unset it for {default}.")
    return text


def read_as(name: str, parse: Callable[[Any], T], given: object) -> T:
    """What `parse` makes of a value; its `ValueError` names the variable."""
    try:
        return parse(given)
    except ValueError as error:
        raise SettingsError(f"{PREFIX}{name}: {error}") from error


def names(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The comma-separated parts of a variable."""
    return tuple(part.strip() for part in env.get(PREFIX + name, "").split(",") if part.strip())


def secret_text(env: Mapping[str, str], name: str) -> str:
    """A secret, given as it is or as the file that holds it; containers turn the second into the first."""
    path = env.get(f"{PREFIX}{name}_FILE", "").strip()
    return read_as(f"{name}_FILE", file_text, path).strip() if path else env.get(PREFIX + name, "")
