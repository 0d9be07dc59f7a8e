"""Draw the extension's icon: a loaded vertebral body of voxels, colored from low to high strain."""

import math
from pathlib import Path

from PIL import Image, ImageDraw

SIZE, SCALE = 128, 8
TARGET = Path(__file__).resolve().parents[1] / "BoneStrengthFEA" / "Resources" / "Icons" / "BoneStrengthFEA.png"
COLORS = ((68, 1, 84), (49, 104, 142), (53, 183, 121), (253, 231, 37))


def color(value: float) -> tuple[int, int, int]:
    place = min(max(value, 0.0), 0.999) * (len(COLORS) - 1)
    low, part = int(place), place - int(place)
    return tuple(round(a + part * (b - a)) for a, b in zip(COLORS[low], COLORS[low + 1], strict=True))  # type: ignore[return-value]


def inside(x: float, y: float) -> bool:
    """Sagittal outline of a vertebral body: concave at the waist."""
    half = 39.0 - 9.0 * math.cos(min(abs(y - 64) / 27.0, 1.0) * math.pi / 2)
    return abs(y - 64) <= 27 - 2.5 * math.cos((x - 64) / 39.0 * math.pi / 2) and abs(x - 64) <= half


def main() -> None:
    image = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle([0, 0, SIZE * SCALE - 1, SIZE * SCALE - 1], 22 * SCALE, fill=(24, 33, 48, 255))
    edge = 6
    for row in range(SIZE // edge + 1):
        for column in range(SIZE // edge + 1):
            x, y = column * edge + 1, row * edge + 1
            if inside(x + edge / 2, y + edge / 2):
                strain = 1.05 * math.exp(-(((y - 62) / 24) ** 2)) * (0.55 + 0.45 * math.cos((x - 50) / 18) ** 2)
                box = [x * SCALE, y * SCALE, (x + edge) * SCALE - 6, (y + edge) * SCALE - 6]
                draw.rectangle(box, fill=(*color(strain), 255))
    for y, sign in ((30, 1), (98, -1)):
        for x in (40, 64, 88):
            tail = y - sign * 18
            draw.line(
                [x * SCALE, tail * SCALE, x * SCALE, (y - sign * 6) * SCALE], fill=(245, 245, 245, 255), width=4 * SCALE
            )
            head = [(x - 6, y - sign * 8), (x + 6, y - sign * 8), (x, y)]
            draw.polygon([(a * SCALE, b * SCALE) for a, b in head], fill=(245, 245, 245, 255))
    image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
