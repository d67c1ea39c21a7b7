"""The subjects of the worlds that are not creatures: machines, buildings and plants.

Each function draws one phase of a movement: ``swing`` goes from -1 to 1 and back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .palette import Palette, mix

if TYPE_CHECKING:
    from .pen import Pen

__all__ = ["balloon", "boat", "car", "flower", "house", "robot", "rocket", "tree"]


def robot(pen: Pen, swing: float, _: Palette) -> None:
    shade, lamp = mix(pen.colour, (20, 24, 34), 0.45), (90, 230, 240)
    for side in (-1, 1):
        pen.box(
            0.5 + 0.10 * side - 0.045,
            0.66,
            0.5 + 0.10 * side + 0.045,
            0.96 - max(0.0, 0.05 * swing * side),
            fill=shade,
        )
        pen.box(
            0.5 + 0.11 * side - 0.07,
            0.92 - max(0.0, 0.05 * swing * side),
            0.5 + 0.11 * side + 0.07,
            0.98 - max(0.0, 0.05 * swing * side),
            round_=0.02,
        )
        pen.stroke(
            (0.5 + 0.20 * side, 0.44),
            (0.5 + 0.27 * side, 0.56),
            (0.5 + 0.25 * side, 0.68 + 0.04 * swing * side),
            width=0.07,
            fill=shade,
        )
    pen.box(0.31, 0.38, 0.69, 0.70, round_=0.05)
    pen.box(0.40, 0.46, 0.60, 0.58, round_=0.02, fill=shade)
    for index in range(3):
        pen.ellipse(0.44 + 0.06 * index, 0.52, 0.018, 0.018, fill=lamp if index == 1 else (240, 120, 90))
    pen.box(0.46, 0.33, 0.54, 0.40, fill=shade)
    pen.box(0.35, 0.14, 0.65, 0.35, round_=0.05)
    pen.box(0.39, 0.19, 0.61, 0.29, round_=0.03, fill=(18, 24, 36))
    for x in (0.445, 0.555):
        pen.ellipse(x + 0.012 * swing, 0.24, 0.028, 0.028, fill=lamp)
    pen.stroke((0.5, 0.14), (0.5, 0.06), width=0.016)
    pen.ellipse(0.5, 0.05, 0.026, 0.026, fill=(250, 90, 80))


def car(pen: Pen, swing: float, palette: Palette) -> None:
    glass = mix((150, 200, 226), palette.middle, 0.5)
    pen.blob(
        (0.06, 0.80),
        (0.10, 0.70),
        (0.26, 0.67),
        (0.36, 0.56),
        (0.62, 0.55),
        (0.76, 0.67),
        (0.92, 0.70),
        (0.96, 0.80),
        (0.94, 0.89),
        (0.5, 0.91),
        (0.07, 0.89),
    )
    pen.polygon((0.31, 0.67), (0.385, 0.585), (0.485, 0.58), (0.485, 0.67), fill=glass)
    pen.polygon((0.515, 0.67), (0.515, 0.58), (0.60, 0.585), (0.68, 0.67), fill=glass)
    pen.stroke((0.10, 0.79), (0.93, 0.79), width=0.012, fill=mix(pen.colour, (0, 0, 0), 0.3))
    pen.ellipse(0.085, 0.77, 0.026, 0.024, fill=(255, 246, 200))
    pen.ellipse(0.935, 0.77, 0.020, 0.024, fill=(255, 70, 60))
    for x in (0.26, 0.75):
        pen.ellipse(x, 0.89, 0.090, 0.090, fill=(24, 24, 28))
        pen.ellipse(x, 0.89, 0.048, 0.048, fill=(176, 180, 188))
        turn = swing * math.pi / 2
        for spoke in range(5):
            angle = turn + spoke * 2 * math.pi / 5
            pen.stroke(
                (x, 0.89),
                (x + 0.04 * math.cos(angle), 0.89 + 0.04 * math.sin(angle)),
                width=0.012,
                fill=(70, 74, 82),
            )


def boat(pen: Pen, swing: float, _: Palette) -> None:
    lean = 0.02 * swing
    pen.stroke((0.5, 0.80), (0.5 + lean, 0.10), width=0.022, fill=(90, 66, 48))
    pen.blob(
        (0.52 + lean, 0.13),
        (0.70 + lean, 0.40),
        (0.82, 0.70),
        (0.66, 0.72),
        (0.53, 0.72),
        (0.56, 0.42),
        fill=(246, 240, 228),
    )
    pen.blob(
        (0.475 + lean, 0.20),
        (0.46, 0.48),
        (0.46, 0.72),
        (0.34, 0.72),
        (0.20, 0.69),
        (0.34, 0.48),
        fill=mix((246, 240, 228), pen.colour, 0.4),
    )
    pen.polygon((0.5 + lean, 0.10), (0.62 + lean, 0.075 + 0.01 * swing), (0.5 + lean, 0.045), fill=(220, 60, 54))
    pen.blob(
        (0.10, 0.77),
        (0.30, 0.79),
        (0.70, 0.79),
        (0.94, 0.75),
        (0.82, 0.93),
        (0.60, 0.96),
        (0.28, 0.95),
        (0.16, 0.90),
    )
    pen.stroke((0.12, 0.79), (0.5, 0.82), (0.92, 0.775), width=0.018, fill=mix(pen.colour, (255, 255, 255), 0.6))


def rocket(pen: Pen, swing: float, _: Palette) -> None:
    pen.blob(
        (0.44, 0.78),
        (0.5, 0.76),
        (0.56, 0.78),
        (0.54, 0.90 + 0.02 * swing),
        (0.5, 0.98 + 0.02 * swing),
        (0.46, 0.90 + 0.02 * swing),
        fill=(255, 150, 40),
    )
    pen.blob((0.465, 0.78), (0.5, 0.77), (0.535, 0.78), (0.5, 0.90 + 0.02 * swing), fill=(255, 240, 170))
    fin = (214, 60, 52)
    pen.polygon((0.39, 0.58), (0.26, 0.80), (0.41, 0.76), fill=fin)
    pen.polygon((0.61, 0.58), (0.74, 0.80), (0.59, 0.76), fill=fin)
    pen.blob((0.5, 0.04), (0.60, 0.22), (0.63, 0.46), (0.59, 0.76), (0.41, 0.76), (0.37, 0.46), (0.40, 0.22))
    pen.blob((0.5, 0.04), (0.565, 0.14), (0.585, 0.21), (0.5, 0.23), (0.415, 0.21), (0.435, 0.14), fill=fin)
    pen.ellipse(0.5, 0.38, 0.068, 0.068, fill=(70, 80, 100))
    pen.ellipse(0.5, 0.38, 0.050, 0.050, fill=(130, 200, 240))


def balloon(pen: Pen, swing: float, _: Palette) -> None:
    for x in (0.41, 0.59):
        pen.stroke((x, 0.60), (0.5 + (x - 0.5) * 0.5, 0.82), width=0.008, fill=(90, 70, 54))
    pen.blob(
        (0.5, 0.05),
        (0.70, 0.12),
        (0.80, 0.33),
        (0.70, 0.52),
        (0.57, 0.66),
        (0.43, 0.66),
        (0.30, 0.52),
        (0.20, 0.33),
        (0.30, 0.12),
    )
    light = mix(pen.colour, (255, 246, 224), 0.75)
    pen.blob((0.5, 0.05), (0.56, 0.33), (0.53, 0.65), (0.47, 0.65), (0.44, 0.33), fill=light)
    for side in (-1, 1):
        pen.blob(
            (0.5 + side * 0.10, 0.075),
            (0.5 + side * 0.27, 0.22),
            (0.5 + side * 0.285, 0.36),
            (0.5 + side * 0.19, 0.55),
            (0.5 + side * 0.07, 0.65),
            (0.5 + side * 0.20, 0.36),
            fill=light,
        )
    pen.box(0.44, 0.82, 0.56, 0.92, round_=0.02, fill=(128, 86, 52))
    pen.stroke((0.435, 0.825), (0.565, 0.825), width=0.02, fill=(164, 116, 74))
    if swing > 0:
        pen.blob((0.48, 0.74), (0.5, 0.69), (0.52, 0.74), (0.5, 0.76), fill=(255, 210, 90))


def house(pen: Pen, swing: float, palette: Palette) -> None:
    lamp = (255, 214, 120) if palette.dark or swing > 0.9 else mix((190, 216, 232), palette.middle, 0.4)
    pen.box(0.66, 0.26, 0.74, 0.46, fill=mix(pen.colour, (90, 50, 40), 0.6))
    pen.box(0.20, 0.50, 0.80, 0.98)
    pen.polygon((0.12, 0.54), (0.5, 0.20), (0.88, 0.54), fill=mix((150, 62, 48), pen.colour, 0.25))
    pen.box(0.44, 0.72, 0.56, 0.98, round_=0.01, fill=(92, 60, 44))
    for x in (0.31, 0.69):
        pen.box(x - 0.065, 0.62, x + 0.065, 0.76, fill=(240, 236, 226))
        pen.box(x - 0.055, 0.63, x + 0.055, 0.75, fill=lamp)
        pen.stroke((x, 0.63), (x, 0.75), width=0.010, fill=(240, 236, 226))
    for step in range(3):
        pen.ellipse(
            0.72 + 0.02 * swing * step + 0.03 * step,
            0.20 - 0.07 * step,
            0.03 + 0.012 * step,
            0.026 + 0.01 * step,
            fill=mix(palette.horizon, (255, 255, 255), 0.5),
        )


def tree(pen: Pen, swing: float, _: Palette) -> None:
    pen.stroke((0.5, 0.98), (0.49, 0.74), (0.51, 0.50), width=0.12, end=0.07, fill=(96, 66, 46))
    pen.stroke((0.5, 0.66), (0.36, 0.50), width=0.05, end=0.03, fill=(96, 66, 46))
    sway = 0.012 * swing
    for x, y, r, light in (
        (0.34, 0.46, 0.17, -0.2),
        (0.66, 0.46, 0.17, -0.2),
        (0.5, 0.50, 0.18, -0.1),
        (0.40, 0.28, 0.17, 0.0),
        (0.61, 0.28, 0.16, 0.0),
        (0.5, 0.20, 0.15, 0.12),
        (0.46, 0.36, 0.15, 0.08),
    ):
        pen.ellipse(
            x + sway * (1.2 - y),
            y,
            r,
            r * 0.92,
            fill=mix(pen.colour, (255, 255, 210) if light > 0 else (0, 20, 10), abs(light)),
        )


def flower(pen: Pen, swing: float, _: Palette) -> None:
    x, green = 0.5 + 0.03 * swing, (70, 140, 70)
    pen.stroke((0.5, 0.99), (0.48, 0.74), (x, 0.40), width=0.035, fill=green)
    pen.blob((0.49, 0.82), (0.34, 0.70), (0.24, 0.72), (0.36, 0.82), fill=green)
    pen.blob((0.49, 0.76), (0.64, 0.64), (0.74, 0.66), (0.62, 0.76), fill=green)
    for petal in range(9):
        angle = petal * 2 * math.pi / 9 + 0.1 * swing
        pen.ellipse(
            x + 0.17 * math.cos(angle),
            0.32 + 0.17 * math.sin(angle),
            0.095,
            0.095,
            fill=mix(pen.colour, (255, 255, 255), 0.18 * (petal % 2)),
        )
    pen.ellipse(x, 0.32, 0.105, 0.105, fill=(250, 206, 70))
