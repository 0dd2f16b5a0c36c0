"""Names that everybody has for devices: families of phones, and boards at the address that they have by default."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """A family of devices.

    Attributes:
        name: what ``--device`` takes.
        shown: what messages call one of the family.
        phone: a pattern that maker and model of an Android match ("Google Pixel 8"); None for boards.
        board: a pattern that a board's own model matches; None for phones.
        hosts: where a board of the family is found when nobody gave it another name.
    """

    name: str
    shown: str
    phone: re.Pattern[str] | None = None
    board: re.Pattern[str] | None = None
    hosts: tuple[str, ...] = ()


def _phone(name: str, shown: str, pattern: str) -> Profile:
    return Profile(name, shown, phone=re.compile(pattern, re.IGNORECASE))


def _board(name: str, shown: str, pattern: str, *hosts: str) -> Profile:
    return Profile(name, shown, board=re.compile(pattern, re.IGNORECASE), hosts=hosts)


PROFILES = {
    profile.name: profile
    for profile in (
        _phone("android", "Android device", r""),
        _phone("pixel", "Google Pixel", r"\bpixel\b"),
        _phone("galaxy", "Samsung Galaxy", r"^samsung\b|\bSM-"),
        _phone("xiaomi", "Xiaomi phone", r"^(xiaomi|redmi|poco)\b"),
        _phone("oneplus", "OnePlus phone", r"^oneplus\b"),
        _phone("oppo", "Oppo phone", r"^(oppo|realme)\b"),
        _phone("vivo", "vivo phone", r"^(vivo|iqoo)\b"),
        _phone("motorola", "Motorola phone", r"^motorola\b"),
        _phone("fairphone", "Fairphone", r"^fairphone\b"),
        _phone("nothing", "Nothing phone", r"^nothing\b"),
        _phone("xperia", "Sony Xperia", r"^sony\b"),
        _board("raspberry-pi", "Raspberry Pi", r"raspberry pi", "raspberrypi.local", "raspberrypi"),
        _board("jetson", "NVIDIA Jetson", r"jetson|nvidia.*orin", "jetson.local", "ubuntu.local"),
        _board("orange-pi", "Orange Pi", r"orange ?pi", "orangepi.local", "orangepi"),
        _board("rock", "Radxa Rock", r"rock|radxa", "rock.local", "radxa.local"),
        _board("odroid", "Hardkernel Odroid", r"odroid", "odroid.local", "odroid"),
        _board("coral", "Coral Dev Board", r"coral|phanbell", "coral.local"),
    )
}
