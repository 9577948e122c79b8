"""Unicode to the LaTeX that means the same: one translation table, one linear pass."""

from __future__ import annotations

import unicodedata
from typing import Final

_SUPERSCRIPTS: Final = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿˣ", "0123456789+-nx", strict=True))
_SUBSCRIPTS: Final = dict(zip("₀₁₂₃₄₅₆₇₈₉ₙₓ", "0123456789nx", strict=True))

_DIRECT: Final[dict[str, str]] = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-",
    "×": r"\times ", "⋅": r"\cdot ", "·": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ",
    "÷": r"\div ", "∕": "/", "⁄": "/", "∗": "*",
    "≤": r"\le ", "⩽": r"\le ", "≦": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≧": r"\ge ",
    "≠": r"\ne ", "≈": r"\approx ", "∞": r"\infty ", "√": r"\radical ", "∛": r"\sqrt[3]",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "Ø": r"\emptyset ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "ℕ": r"\mathbb{N}", "°": r"^\circ ", "º": r"^\circ ", "˚": r"^\circ ",
    "±": r"\pm ", "∓": r"\mp ", "→": r"\to ", "∖": r"\setminus ", "′": "'", "’": "'",
    "‘": "'", "“": '"', "”": '"', "…": r"\ldots ", "⋯": r"\ldots ", "〈": r"\langle ",
    "⟨": r"\langle ", "〉": r"\rangle ", "⟩": r"\rangle ", "∫": r"\int ", "∑": r"\sum ",
    "∏": r"\prod ", "∣": "|", "∥": r"\parallel ", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
    "⌈": r"\lceil ", "⌉": r"\rceil ", "∧": r"\land ", "∨": r"\lor ", "∠": r"\angle ",
    "△": r"\triangle ", "µ": "u", "μ": r"\mu ", "ℓ": "l", "ı": "i", "€": r"\euro ",
    "£": r"\pound ", "¥": r"\yen ", "¢": r"\cent ", "，": ", ", "。": ".", "：": ":",
    "；": ";", "、": ", ", "∴": " ", "⇒": r"\implies ", "√​": r"\radical ",
    "\u00a0": " ", "\u2009": r"\,", "\u202f": r"\,", "\u200a": "", "\u2002": " ",
    "\u2003": " ", "\u3000": " ", "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "",
    "\ufeff": "", "\u2061": "", "\u2062": "", "\u2063": "", "\u200e": "", "\u200f": "",
}  # fmt: skip

_FRACTIONS: Final[dict[str, tuple[int, int]]] = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5),
    "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7),
    "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip

_GREEK: Final[dict[str, str]] = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon",
    "φ": "phi", "ϕ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma",
    "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma",
    "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip


def _build_table() -> dict[int, str]:
    table = {ord(key): value for key, value in _DIRECT.items() if len(key) == 1}
    for key, (top, bottom) in _FRACTIONS.items():
        table[ord(key)] = rf"\frac{{{top}}}{{{bottom}}}"
    for key, name in _GREEK.items():
        table[ord(key)] = rf"\{name} "
    for code in range(0xFF01, 0xFF5F):
        table.setdefault(code, chr(code - 0xFEE0))
    for key, value in _SUPERSCRIPTS.items():
        table[ord(key)] = "^{" + value + "}"
    for key, value in _SUBSCRIPTS.items():
        table[ord(key)] = "_{" + value + "}"
    # Mathematical alphanumeric letters and digits.
    for code in range(0x1D400, 0x1D800):
        plain = unicodedata.normalize("NFKC", chr(code))
        if plain != chr(code):
            greek = _GREEK.get(plain)
            table[code] = rf"\{greek} " if greek else plain
    return table


_TABLE: Final = _build_table()


def to_latex(text: str) -> str:
    """The text with every mathematical character written in LaTeX.

    Runs of superscripts become one exponent: x¹⁰ is x^{10}.
    """
    if text.isascii():
        return text
    return text.translate(_TABLE).replace("}^{", "").replace("}_{", "")
