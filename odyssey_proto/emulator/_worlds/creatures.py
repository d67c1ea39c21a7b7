"""The living subjects of the worlds, drawn with a pen.

Each function draws one phase of a movement: ``swing`` goes from -1 to 1 and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .palette import Palette, mix

if TYPE_CHECKING:
    from collections.abc import Callable

    from .pen import Pen

__all__ = ["astronaut", "bird", "butterfly", "cat", "curled", "dragon", "fish", "person", "quadruped"]


def cat(pen: Pen, swing: float, _: Palette) -> None:
    pen.stroke(
        (0.62, 0.93), (0.80, 0.95), (0.88, 0.80 + 0.02 * swing), (0.82 + 0.08 * swing, 0.62), width=0.075, end=0.05
    )
    pen.blob(
        (0.40, 0.40),
        (0.58, 0.44),
        (0.68, 0.66),
        (0.72, 0.90),
        (0.62, 0.99),
        (0.34, 0.99),
        (0.27, 0.92),
        (0.32, 0.66),
    )
    for x in (0.36, 0.47):
        pen.stroke((x + 0.02, 0.66), (x, 0.96), width=0.09, end=0.085)
        pen.ellipse(x - 0.01, 0.965, 0.055, 0.032)
    tilt = 0.012 * swing
    for side in (-1, 1):
        x = 0.42 + side * 0.105 + tilt
        pen.polygon((x - 0.075, 0.27), (x + 0.04 * side, 0.075), (x + 0.075, 0.27))
        pen.polygon(
            (x - 0.035, 0.25),
            (x + 0.03 * side, 0.135),
            (x + 0.038, 0.25),
            fill=mix(pen.colour, (236, 150, 150), 0.5),
        )
    pen.ellipse(0.42 + tilt, 0.335, 0.185, 0.150)
    for side in (-1, 1):
        pen.ellipse(0.42 + side * 0.075 + tilt, 0.32, 0.034, 0.040, fill=(230, 214, 110))
        pen.ellipse(0.42 + side * 0.075 + tilt, 0.32, 0.012, 0.036, fill=(20, 20, 22))
        for lift in (-0.015, 0.02):
            pen.stroke(
                (0.42 + side * 0.10 + tilt, 0.395),
                (0.42 + side * 0.245 + tilt, 0.395 + lift),
                width=0.006,
                fill=mix(pen.colour, (255, 255, 255), 0.55),
            )
    pen.polygon((0.40 + tilt, 0.375), (0.44 + tilt, 0.375), (0.42 + tilt, 0.395), fill=(230, 140, 140))


def curled(pen: Pen, swing: float, _: Palette) -> None:
    """A sleeping animal."""
    pen.ellipse(0.5, 0.84 - 0.008 * swing, 0.36, 0.16 + 0.008 * swing)
    pen.ellipse(0.26, 0.86, 0.15, 0.12)
    for x in (0.17, 0.30):
        pen.polygon((x - 0.045, 0.79), (x + 0.01, 0.68), (x + 0.06, 0.78))
    pen.stroke(
        (0.84, 0.88),
        (0.72, 0.97),
        (0.44, 0.975),
        (0.28, 0.95),
        width=0.085,
        end=0.06,
        fill=mix(pen.colour, (255, 255, 255), 0.12),
    )
    for x in (0.20, 0.29):
        pen.stroke((x - 0.03, 0.865), (x, 0.88), (x + 0.03, 0.865), width=0.009, fill=(18, 18, 20))
    for step in range(3):
        x, y, size = 0.36 + 0.10 * step, 0.56 - 0.14 * step - 0.02 * swing, 0.028 + 0.012 * step
        for start, end in (((1, -1), (-1, -1)), ((-1, -1), (1, 1)), ((1, 1), (-1, 1))):
            pen.stroke(
                (x + start[0] * size, y + start[1] * size),
                (x + end[0] * size, y + end[1] * size),
                width=0.014,
                fill=pen.rim,
            )


def quadruped(
    *, body: float, neck: float, snout: float, leg: float, thick: float, ears: str, tail: str, extra: str = ""
) -> Callable[[Pen, float, Palette], None]:
    """Return a function that draws a four-legged animal; lengths in units of the figure's square."""

    def draw(pen: Pen, swing: float, _: Palette) -> None:
        back, low = 0.96 - leg, 0.96 - leg + thick
        left, right = 0.5 - body / 2, 0.5 + body / 2
        middle = (back + low) / 2
        tails = {
            "thin": (
                (right, back + 0.03),
                (right + 0.09, back - 0.05 + 0.05 * swing),
                (right + 0.13, back - 0.14),
            ),
            "bushy": (
                (right - 0.02, middle),
                (right + 0.10, middle + 0.02),
                (right + 0.20, middle - 0.06 + 0.04 * swing),
            ),
            "mane": ((right, back + 0.03), (right + 0.07, middle), (right + 0.09, low + 0.10 + 0.02 * swing)),
            "stub": ((right, back + 0.04), (right + 0.03, back), (right + 0.05, back - 0.02 + 0.01 * swing)),
        }
        width, end = {"thin": (0.05, 0.03), "bushy": (0.06, 0.12), "mane": (0.05, 0.06), "stub": (0.06, 0.05)}[
            tail
        ]
        pen.stroke(*tails[tail], width=width, end=end)
        for index, x in enumerate((left + 0.04, left + 0.13, right - 0.13, right - 0.04)):
            step = 0.075 * swing * (1 if index in (0, 3) else -1)
            shade = mix(pen.colour, (0, 0, 0), 0.28 if index in (1, 3) else 0.0)
            pen.stroke(
                (x, low - 0.06),
                (x + step * 0.35, low + leg * 0.28),
                (x + step, 0.965),
                width=0.085 if thick > 0.2 else 0.062,
                end=0.048,
                fill=shade,
            )
        pen.blob(
            (left - 0.02, middle),
            (left + 0.06, back + 0.01),
            (0.5, back + 0.03),
            (right - 0.05, back),
            (right + 0.02, middle),
            (right - 0.06, low),
            (0.5, low - 0.03),
            (left + 0.06, low + 0.01),
        )
        hx, hy = left - 0.05 - neck * 0.35, back - neck * 0.8 + 0.02 * swing
        pen.stroke(
            (left + 0.07, middle),
            (left + 0.0, back - neck * 0.3),
            (hx + 0.05, hy + 0.02),
            width=thick * 0.95,
            end=0.12,
        )
        if extra == "mane":
            pen.stroke(
                (left + 0.10, back),
                (left + 0.05, back - neck * 0.45),
                (hx + 0.10, hy - 0.06),
                width=0.09,
                end=0.05,
                fill=mix(pen.colour, (0, 0, 0), 0.5),
            )
        if extra == "lion":
            pen.ellipse(hx + 0.03, hy + 0.02, 0.17, 0.18, fill=mix(pen.colour, (90, 40, 10), 0.5))
        pen.ellipse(hx + 0.01, hy, 0.092, 0.082)
        pen.stroke((hx, hy + 0.01), (hx - snout, hy + 0.045), width=0.11, end=0.062)
        pen.ellipse(hx - snout - 0.022, hy + 0.035, 0.022, 0.018, fill=(24, 22, 24))
        pen.ellipse(hx - 0.03, hy - 0.018, 0.016, 0.018, fill=(20, 18, 20))
        pen.ellipse(hx - 0.034, hy - 0.024, 0.006, 0.006, fill=(255, 255, 255))
        if ears == "pointed":
            for x in (hx - 0.01, hx + 0.07):
                pen.polygon((x - 0.035, hy - 0.05), (x + 0.012, hy - 0.155), (x + 0.045, hy - 0.04))
        elif ears == "floppy":
            pen.stroke(
                (hx + 0.05, hy - 0.05),
                (hx + 0.105, hy),
                (hx + 0.10, hy + 0.08 + 0.01 * swing),
                width=0.06,
                end=0.07,
                fill=mix(pen.colour, (0, 0, 0), 0.3),
            )
        elif ears == "round":
            for x in (hx - 0.03, hx + 0.07):
                pen.ellipse(x, hy - 0.08, 0.036, 0.036)
        elif ears == "long":
            for x in (hx + 0.02, hx + 0.07):
                pen.stroke((x, hy - 0.05), (x + 0.02, hy - 0.16), (x + 0.05, hy - 0.25), width=0.05, end=0.035)
        if extra == "antlers":
            for side in (-1, 1):
                for reach, rise in ((0.05, 0.16), (0.13, 0.20), (0.16, 0.11)):
                    pen.stroke(
                        (hx + 0.03, hy - 0.06),
                        (hx + 0.03 + side * reach * 0.6, hy - rise * 0.6),
                        (hx + 0.03 + side * reach, hy - rise - 0.04),
                        width=0.02,
                        end=0.012,
                        fill=mix(pen.rim, (120, 90, 60), 0.5),
                    )

    return draw


def bird(pen: Pen, swing: float, _: Palette) -> None:
    for side, shade in ((1, 0.25), (-1, 0.0)):
        tip = 0.5 - 0.30 * swing
        fill = mix(pen.colour, (0, 0, 0), shade)
        pen.blob(
            (0.44, 0.48),
            (0.52 + 0.06 * side, tip + 0.08),
            (0.62 + 0.20 * side, tip),
            (0.60, 0.46),
            (0.54, 0.52),
            fill=fill,
        )
    pen.blob((0.22, 0.47), (0.34, 0.42), (0.56, 0.46), (0.82, 0.54), (0.60, 0.58), (0.36, 0.56))
    pen.polygon((0.76, 0.51), (0.95, 0.47), (0.93, 0.60))
    pen.ellipse(0.26, 0.45, 0.075, 0.068)
    pen.polygon((0.20, 0.44), (0.10, 0.47), (0.20, 0.49), fill=(240, 176, 60))
    pen.ellipse(0.235, 0.435, 0.014, 0.014, fill=(250, 250, 250))


def butterfly(pen: Pen, swing: float, _: Palette) -> None:
    spread = 0.16 + 0.24 * abs(swing)
    for side in (-1, 1):
        pen.blob(
            (0.5, 0.46),
            (0.5 + side * spread * 0.6, 0.18),
            (0.5 + side * spread, 0.24),
            (0.5 + side * spread * 0.9, 0.46),
            (0.5, 0.54),
        )
        pen.blob(
            (0.5, 0.54),
            (0.5 + side * spread * 0.8, 0.54),
            (0.5 + side * spread * 0.75, 0.78),
            (0.5 + side * spread * 0.3, 0.76),
            fill=mix(pen.colour, (255, 255, 255), 0.22),
        )
        pen.ellipse(0.5 + side * spread * 0.66, 0.32, 0.035, 0.05, fill=mix(pen.colour, (255, 255, 255), 0.65))
    pen.stroke((0.5, 0.32), (0.5, 0.74), width=0.05, end=0.03, fill=(34, 28, 30))
    for side in (-1, 1):
        pen.stroke(
            (0.5, 0.33), (0.5 + side * 0.05, 0.22), (0.5 + side * 0.09, 0.18), width=0.012, fill=(34, 28, 30)
        )


def fish(pen: Pen, swing: float, _: Palette) -> None:
    pen.polygon((0.74, 0.50), (0.94, 0.34 + 0.05 * swing), (0.88, 0.50), (0.94, 0.66 + 0.05 * swing))
    pen.polygon((0.40, 0.38), (0.56, 0.22), (0.64, 0.42), fill=mix(pen.colour, (0, 0, 0), 0.25))
    pen.blob((0.10, 0.50), (0.28, 0.35), (0.52, 0.34), (0.78, 0.48), (0.78, 0.53), (0.52, 0.66), (0.28, 0.65))
    for x in (0.36, 0.54):
        pen.blob(
            (x, 0.37), (x + 0.06, 0.40), (x + 0.04, 0.60), (x - 0.02, 0.63), (x - 0.02, 0.50), fill=(250, 246, 240)
        )
    pen.polygon((0.46, 0.54), (0.60, 0.72 + 0.03 * swing), (0.58, 0.55), fill=mix(pen.colour, (0, 0, 0), 0.2))
    pen.ellipse(0.22, 0.47, 0.036, 0.036, fill=(255, 255, 255))
    pen.ellipse(0.21, 0.47, 0.018, 0.020, fill=(12, 12, 14))


def dragon(pen: Pen, swing: float, _: Palette) -> None:
    for side, shade in ((1, 0.35), (-1, 0.12)):
        tip = 0.36 - 0.22 * swing
        x = 0.50 + 0.06 * side
        skin, bone = mix(pen.colour, (0, 0, 0), shade), mix(pen.colour, (0, 0, 0), shade * 0.4)
        fingers = [(x + 0.02, tip - 0.06), (x + 0.17, tip - 0.01), (x + 0.28, tip + 0.10)]
        pen.polygon(
            (x - 0.06, 0.50),
            fingers[0],
            (x + 0.09, tip + 0.07),
            fingers[1],
            (x + 0.17, tip + 0.14),
            fingers[2],
            (x + 0.14, 0.42),
            (x + 0.06, 0.53),
            fill=skin,
        )
        for finger in fingers:
            pen.stroke((x - 0.05, 0.50), finger, width=0.022, end=0.010, fill=bone)
    pen.stroke((0.60, 0.56), (0.74, 0.62), (0.86, 0.56), (0.97, 0.66 + 0.03 * swing), width=0.13, end=0.02)
    pen.polygon((0.93, 0.60), (1.0, 0.66 + 0.03 * swing), (0.93, 0.72))
    pen.blob((0.34, 0.52), (0.46, 0.45), (0.62, 0.49), (0.66, 0.58), (0.52, 0.64), (0.38, 0.62))
    pen.stroke((0.40, 0.54), (0.28, 0.50), (0.24, 0.38), (0.18, 0.34 + 0.01 * swing), width=0.13, end=0.09)
    pen.stroke((0.18, 0.34), (0.08, 0.37), width=0.10, end=0.055)
    for x in (0.22, 0.26):
        pen.polygon((x - 0.02, 0.31), (x + 0.08, 0.22), (x + 0.03, 0.34))
    for index in range(6):
        x = 0.36 + 0.055 * index
        pen.polygon(
            (x - 0.02, 0.485), (x + 0.02, 0.42), (x + 0.035, 0.49), fill=mix(pen.colour, (240, 200, 80), 0.6)
        )
    pen.ellipse(0.155, 0.325, 0.016, 0.014, fill=(255, 220, 80))
    for x in (0.44, 0.56):
        pen.stroke((x, 0.60), (x + 0.02, 0.70), width=0.06, end=0.03)


def person(pen: Pen, swing: float, _: Palette) -> None:
    skin, cloth = (222, 176, 144), pen.colour
    for side in (-1, 1):
        pen.stroke(
            (0.5, 0.62),
            (0.5 + 0.05 * side * swing, 0.80),
            (0.5 + 0.12 * side * swing, 0.97),
            width=0.10,
            end=0.065,
            fill=mix((44, 48, 66), pen.colour, 0.15),
        )
    pen.stroke(
        (0.5, 0.40),
        (0.5 - 0.07 * swing, 0.52),
        (0.5 - 0.12 * swing, 0.63),
        width=0.07,
        end=0.05,
        fill=mix(cloth, (0, 0, 0), 0.35),
    )
    pen.blob((0.42, 0.33), (0.58, 0.33), (0.61, 0.50), (0.60, 0.66), (0.40, 0.66), (0.39, 0.50), fill=cloth)
    pen.stroke(
        (0.5, 0.40),
        (0.5 + 0.07 * swing, 0.52),
        (0.5 + 0.12 * swing, 0.63),
        width=0.07,
        end=0.05,
        fill=mix(cloth, (255, 255, 255), 0.12),
    )
    pen.ellipse(0.49, 0.22, 0.085, 0.098, fill=skin)
    pen.blob(
        (0.41, 0.20),
        (0.46, 0.105),
        (0.56, 0.11),
        (0.60, 0.22),
        (0.57, 0.31),
        (0.55, 0.20),
        (0.46, 0.165),
        fill=(58, 40, 34),
    )
    pen.ellipse(0.445, 0.225, 0.010, 0.014, fill=(30, 24, 24))


def astronaut(pen: Pen, swing: float, _: Palette) -> None:
    shade = mix(pen.colour, (70, 80, 100), 0.35)
    pen.box(0.56, 0.36, 0.70, 0.62, round_=0.03, fill=shade)
    for side in (-1, 1):
        pen.stroke(
            (0.5 + 0.05 * side, 0.62),
            (0.5 + 0.07 * side + 0.03 * swing, 0.80),
            (0.5 + 0.09 * side - 0.03 * swing, 0.95),
            width=0.13,
            end=0.11,
        )
    pen.blob((0.36, 0.40), (0.5, 0.34), (0.64, 0.40), (0.64, 0.62), (0.5, 0.68), (0.36, 0.62))
    for side in (-1, 1):
        pen.stroke(
            (0.5 + 0.12 * side, 0.42),
            (0.5 + 0.23 * side, 0.50 - 0.06 * swing * side),
            (0.5 + 0.27 * side, 0.60 - 0.12 * swing * side),
            width=0.11,
            end=0.09,
        )
    pen.ellipse(0.49, 0.24, 0.165, 0.155)
    pen.ellipse(0.46, 0.245, 0.115, 0.100, fill=(36, 52, 84))
    pen.ellipse(0.42, 0.215, 0.040, 0.028, fill=(150, 190, 236))
    pen.box(0.44, 0.46, 0.56, 0.54, round_=0.01, fill=shade)
    for x, light in ((0.47, (230, 70, 60)), (0.50, (80, 200, 120)), (0.53, (80, 150, 240))):
        pen.ellipse(x, 0.50, 0.010, 0.010, fill=light)
