"""The screens that the docs show: ``python tools/android/pictures.py``, after ``make android-screens``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from layout import BUILD, ROOT

_HEIGHT = 640
_GAP = 16
_COLORS = 256
# Columns of screens; two that are turned stand above each other.
_SHEETS = {
    "android.png": (("light-result",), ("light-measured",), ("dark-result",)),
    "android-states.png": (
        ("dark-inconclusive",),
        ("light-broken-model",),
        ("font2-result",),
        ("land-result", "land-font2-result"),
    ),
}


def main() -> None:
    """Put screens side by side, small."""
    for name, columns in _SHEETS.items():
        path = ROOT / "docs" / "images" / name
        path.parent.mkdir(exist_ok=True)
        _sheet(columns).quantize(_COLORS, kmeans=_COLORS).save(path, optimize=True)
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")


def _sheet(columns: Sequence[Sequence[str]]) -> Image.Image:
    shots = [[_shot(name) for name in column] for column in columns]
    width = sum(column[0].width for column in shots) + _GAP * (len(shots) + 1)
    sheet = Image.new("RGB", (width, _HEIGHT + 2 * _GAP), (128, 134, 139))
    left = _GAP
    for column in shots:
        top = _GAP
        for shot in column:
            sheet.paste(shot, (left, top))
            top += shot.height + _GAP
        left += column[0].width + _GAP
    return sheet


def _shot(name: str) -> Image.Image:
    return _fitted(Image.open(BUILD / "screens" / f"{name}.png").convert("RGB"))


def _fitted(shot: Image.Image) -> Image.Image:
    if shot.width > shot.height:  # turned: as wide as a phone is high
        return shot.resize((_HEIGHT, round(shot.height * _HEIGHT / shot.width)), Image.Resampling.LANCZOS)
    return shot.resize((round(shot.width * _HEIGHT / shot.height), _HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
