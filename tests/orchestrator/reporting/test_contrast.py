"""Text can be read by whoever sees little contrast: WCAG 2.2, level AA, on every page, light and dark."""

import re
from pathlib import Path

import pytest

import orchestrator.reporting

TEMPLATES = Path(orchestrator.reporting.__file__).parent / "templates"
TEXT = 4.5  # least ratio of luminances, of text of any size
FILLED = ("go", "no", "maybe", "void")  # what white text stands on
# The same with the colours of the dark scheme laid over those of the light one.
SCHEMES = re.findall(r":root \{(.*?)\}", (TEMPLATES / "page.html").read_text(), re.DOTALL)


def colours(scheme: int) -> dict[str, str]:
    """The colours of the light scheme (0) or the dark one (1), by name, as six digits."""
    found = {}
    for text in SCHEMES[: scheme + 1]:
        for name, digits in re.findall(r"--([\w-]+): #([0-9a-f]{3,6});", text):
            found[name] = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    return found


def luminance(digits: str) -> float:
    """The relative luminance of a colour, by WCAG's definition."""
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def ratio(one: str, other: str) -> float:
    """How far apart two colours are: 1 for equal ones, 21 for black and white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_ratio_is_that_of_the_standard():
    assert ratio("000000", "ffffff") == pytest.approx(21)
    assert ratio("777777", "ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_what_it_stands_on(scheme):
    found = colours(scheme)
    pairs = [(found[text], found[ground]) for text in ("ink", "soft") for ground in ("page", "card")]
    pairs += [("ffffff", found[ground]) for ground in FILLED]
    assert min(ratio(*pair) for pair in pairs) >= TEXT, {pair: ratio(*pair) for pair in pairs}
