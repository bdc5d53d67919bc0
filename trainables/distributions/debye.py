"""The polynomials in the uniform (Debye) expansion of the modified Bessel function.

At order n, with z = kappa / n and p = 1 / sqrt(1 + z^2), the logarithm of the expansion's series is ``E(p) =
sum_j D_j(p) / n^j``. Each quantity in ``bessel_series.py`` needs one combination of E and its derivatives, a
polynomial in p on [0, 1]. It is formed exactly, rewritten in y = 2 p - 1 (in powers of p its coefficients are
large and cancel), and shortened by Chebyshev economisation (C. Lanczos, Applied Analysis, 1956): from degree
43 to about 25 at order 24 and 13 at order 255, without a change at float64.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import zip_longest
from typing import Any

_TERMS = 14  # reaches float64 rounding at an order of 24 or more
_BITS = 200  # polynomials are lists of integers in units of 2^-200, lowest power first: sums are exact
_TOLERANCE = 1 << (_BITS - 58)  # of one step of economisation, 3.5e-18
_NEGLIGIBLE = 1 << (_BITS - 66)
_ONE = 1 << _BITS

Polynomial = list[int]


@cache
def debye_polynomial(quantity: str, twice_order: int) -> tuple[float, ...]:
    """Coefficients of the correction to ``quantity``, in powers of y = 2 p - 1, the lowest first.

    Args:
        quantity: what the polynomial corrects, see ``_correction``.
        twice_order: twice the order n, an integer because n = d/2 - 1 plus an integer.
    """
    shortened = _economised(_in_y(_correction(quantity, _log_series(twice_order))))
    return tuple(c / _ONE for c in shortened)


def _correction(quantity: str, series: Polynomial) -> Polynomial:
    """The combination of E that ``quantity`` needs (formulas in ``bessel_series.py``)."""
    first = _times_derivative(series)  # p E'
    rim = _sum([_ONE // 2], first)
    if quantity in ("ratio", "complement"):
        return rim
    if quantity in ("log_partition", "log_growth"):
        return _over_p_minus_one(series)
    if quantity == "divergence":
        return _sum(_over_p_minus_one(series), _product([-1, -1], rim))
    second = _sum(_times_derivative(first), first, factor=-1)  # p^2 E''
    inner = _sum(_sum([_ONE], first, factor=3), second)
    slope = _sum(_product([1, 0, -1], inner), rim, factor=-1)
    if quantity == "slope":
        return slope
    if quantity == "curvature":
        return _sum(_times_derivative(slope), slope, factor=2)
    raise ValueError(f"no correction for {quantity!r}")


@cache
def _log_series(twice_order: int) -> Polynomial:
    """The series E(p) at one order, up to the first term that is too small to matter."""
    total: Polynomial = []
    for j, polynomial in enumerate(_log_debye(), start=1):
        scale = Fraction(2**j * _ONE, twice_order**j)
        term = [int(c * scale) for c in polynomial]
        if max(map(abs, term)) < _NEGLIGIBLE:
            break
        total = _sum(total, term)
    return total


@cache
def _log_debye() -> tuple[tuple[Fraction, ...], ...]:
    """The polynomials D_1 ... D_14, exactly.

    Debye's recurrence for the terms of the series (NIST Digital Library of Mathematical Functions, 10.41.9)
    becomes, for the series' logarithm, ``D_{j+1} = q D_j' / 2 + int_0^p q S / 2 dt`` from D_1 = p / 8 -
    5 p^3 / 24, with S = sum_{i=1}^{j-1} D_i' D_{j-i}' and q = p^2 (1 - p^2).
    """
    terms = [[Fraction(0), Fraction(1, 8), Fraction(0), Fraction(-5, 24)]]
    slopes: list[list[Fraction]] = []
    half_q = [Fraction(0), Fraction(0), Fraction(1, 2), Fraction(0), Fraction(-1, 2)]
    for j in range(1, _TERMS):
        slopes.append([m * c for m, c in enumerate(terms[-1])][1:])
        squares: list[Fraction] = []
        for i in range(j - 1):
            squares = _sum(squares, _product(slopes[i], slopes[j - 2 - i]))
        integral = [Fraction(0), *(c / m for m, c in enumerate(_product(half_q, squares), start=1))]
        terms.append(_sum(_product(half_q, slopes[-1]), integral))
    return tuple(tuple(term) for term in terms)


def _in_y(polynomial: Polynomial) -> Polynomial:
    """The same polynomial with p = (1 + y) / 2, by Horner's scheme."""
    total: Polynomial = []
    for c in reversed(polynomial):
        total = [(a + b) // 2 for a, b in zip([0, *total], [*total, 0], strict=True)]
        total[0] += c
    return total


def _economised(polynomial: Polynomial) -> Polynomial:
    """The polynomial less the multiples of Chebyshev polynomials that cancel its top powers."""
    rest = list(polynomial)
    while len(rest) > 1 and abs(rest[-1]) < _TOLERANCE << (len(rest) - 2):
        chebyshev = _chebyshev(len(rest) - 1)
        top = rest[-1]
        rest = [c - top * t // chebyshev[-1] for c, t in zip(rest, chebyshev, strict=True)][:-1]
    return rest


@cache
def _chebyshev(degree: int) -> Polynomial:
    """The Chebyshev polynomial T_degree(y), by its recurrence."""
    if degree < 2:
        return [[1], [0, 1]][degree]
    return _sum([0, *(2 * c for c in _chebyshev(degree - 1))], _chebyshev(degree - 2), factor=-1)


def _times_derivative(polynomial: Polynomial) -> Polynomial:
    """The polynomial p dP/dp."""
    return [m * c for m, c in enumerate(polynomial)]


def _over_p_minus_one(polynomial: Polynomial) -> Polynomial:
    """The polynomial (P(p) - P(1)) / (p - 1), exactly."""
    return [sum(polynomial[m + 1 :]) for m in range(len(polynomial) - 1)]


def _sum(a: list[Any], b: list[Any], factor: int = 1) -> list[Any]:
    """The polynomial a + factor b, of integers or fractions."""
    return [x + factor * y for x, y in zip_longest(a, b, fillvalue=0)]


def _product(a: list[Any], b: list[Any]) -> list[Any]:
    total: list[Any] = [0] * max(len(a) + len(b) - 1, 0)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            total[i + j] += x * y
    return total
