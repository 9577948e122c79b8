"""What every LaTeX command means to the tokenizer: its token, or that it is layout."""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math.word_lists import words

# Token kinds.
NUM: Final = "num"
REPEATING: Final = "repeating"  # text: "digits(period)"
DIGITS: Final = "digits"  # digits with letters, before a base: A3F
LETTER: Final = "letter"
WORD: Final = "word"
TEXTUAL: Final = "textual"
COMMAND: Final = "command"
OPERATOR: Final = "operator"
END: Final = "end"

DROPPED: Final = frozenset(
    words(
        """
    left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm Bigm
    displaystyle textstyle scriptstyle limits nolimits quad qquad thinspace medspace
    thickspace enspace hspace* vspace* mathstrut strut nonumber notag boldmath unboldmath
    rm bf it tt sf em cal large Large small normalsize centering hfill middle mathopen
    mathclose mathord mathrel mathbin
    """
    )
)
RENAMED_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "dfrac": (COMMAND, "frac"), "tfrac": (COMMAND, "frac"), "cfrac": (COMMAND, "frac"),
    "nicefrac": (COMMAND, "frac"), "sfrac": (COMMAND, "frac"),
    "dbinom": (COMMAND, "binom"), "tbinom": (COMMAND, "binom"), "choose": (COMMAND, "choose"),
    "le": (OPERATOR, "<="), "leq": (OPERATOR, "<="), "leqslant": (OPERATOR, "<="),
    "leqq": (OPERATOR, "<="), "ge": (OPERATOR, ">="), "geq": (OPERATOR, ">="),
    "geqslant": (OPERATOR, ">="), "geqq": (OPERATOR, ">="), "ne": (OPERATOR, "!="),
    "neq": (OPERATOR, "!="), "lt": (OPERATOR, "<"), "gt": (OPERATOR, ">"),
    "cdot": (OPERATOR, "*"), "times": (OPERATOR, "*"), "ast": (OPERATOR, "*"),
    "div": (OPERATOR, "/"), "over": (COMMAND, "over"), "approx": (OPERATOR, "~="),
    "simeq": (OPERATOR, "~="), "doteq": (OPERATOR, "="), "equiv": (OPERATOR, "=="),
    "circ": (OPERATOR, "deg"), "degree": (OPERATOR, "deg"), "degrees": (OPERATOR, "deg"),
    "lbrace": (OPERATOR, "\\{"), "rbrace": (OPERATOR, "\\}"),
    "lvert": (OPERATOR, "|"), "rvert": (OPERATOR, "|"), "vert": (OPERATOR, "|"),
    "lbrack": (OPERATOR, "["), "rbrack": (OPERATOR, "]"),
    "lparen": (OPERATOR, "("), "rparen": (OPERATOR, ")"),
    "mid": (OPERATOR, "\\mid"), "colon": (OPERATOR, ":"), "ratio": (OPERATOR, ":"),
    "ldots": (OPERATOR, "..."), "dots": (OPERATOR, "..."), "cdots": (OPERATOR, "..."),
    "dotsc": (OPERATOR, "..."), "dotsb": (OPERATOR, "..."), "vdots": (OPERATOR, "..."),
    "pm": (OPERATOR, "+-"), "mp": (OPERATOR, "-+"), "in": (OPERATOR, "in"),
    "notin": (OPERATOR, "notin"), "subset": (OPERATOR, "subset"),
    "subseteq": (OPERATOR, "subset"), "cup": (OPERATOR, "cup"), "bigcup": (OPERATOR, "cup"),
    "cap": (OPERATOR, "cap"), "bigcap": (OPERATOR, "cap"), "setminus": (OPERATOR, "setminus"),
    "smallsetminus": (OPERATOR, "setminus"), "backslash": (OPERATOR, "setminus"),
    "to": (OPERATOR, "->"), "rightarrow": (OPERATOR, "->"), "longrightarrow": (OPERATOR, "->"),
    "land": (WORD, "and"), "wedge": (WORD, "and"), "lor": (WORD, "or"), "vee": (WORD, "or"),
    "varnothing": (COMMAND, "emptyset"), "arctg": (COMMAND, "arctan"),
    "tg": (COMMAND, "tan"), "ctg": (COMMAND, "cot"), "varphi": (LETTER, "phi"),
    "varepsilon": (LETTER, "epsilon"), "vartheta": (LETTER, "theta"),
    "varrho": (LETTER, "rho"), "imath": (LETTER, "i"), "jmath": (LETTER, "j"),
    "prime": (OPERATOR, "'"), "ell": (LETTER, "l"), "hbar": (LETTER, "hbar"),
    "implies": (WORD, "implies"), "Rightarrow": (WORD, "implies"), "cr": (OPERATOR, "\\\\"),
    "euro": (COMMAND, "euro"), "euros": (COMMAND, "euro"), "pounds": (COMMAND, "pound"),
    "textdollar": (COMMAND, "dollar"), "percent": (OPERATOR, "%"), "iff": (WORD, "iff"),
    "colonequals": (OPERATOR, "="), "coloneqq": (OPERATOR, "="), "infin": (COMMAND, "infty"),
    "R": (COMMAND, "reals"), "Reals": (COMMAND, "reals"), "Z": (COMMAND, "integers"),
    "Q": (COMMAND, "rationals"), "C": (COMMAND, "complexes"), "N": (COMMAND, "naturals"),
    "textdegree": (OPERATOR, "deg"), "ang": (COMMAND, "angle"), "slash": (OPERATOR, "/"),
    "forall": (WORD, "for"), "lnot": (WORD, "not"), "neg": (WORD, "not"), "tab": (OPERATOR, "&"),
}  # fmt: skip
GREEK_LETTERS: Final = frozenset(
    words(
        """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau
    upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega
    """
    )
)
TEXT_COMMANDS: Final = frozenset(
    words(
        """
    text mathrm textbf mathbf mbox operatorname operatorname* textit mathit mathsf texttt
    emph textrm textnormal bm boldsymbol mathcal mathscr mathfrak textsf textup hbox bold
    textsc mathtt pmb unit
    """
    )
)
DECORATIONS: Final = frozenset(["boxed", "fbox", "displaylimits", "phantom", "smash"])
SIZED: Final = frozenset(
    ["hspace", "vspace", "label", "tag", "color", "phantom", "hphantom", "vphantom"]
)
NUMBER_SETS: Final = {
    "R": "reals", "Z": "integers", "Q": "rationals", "C": "complexes", "N": "naturals",
}  # fmt: skip
ESCAPES: Final[dict[str, tuple[str, str]]] = {
    "{": (OPERATOR, "\\{"), "}": (OPERATOR, "\\}"), "%": (OPERATOR, "%"),
    "$": (COMMAND, "dollar"), "|": (OPERATOR, "||"), "\\": (OPERATOR, "\\\\"),
    "&": (WORD, "and"), "#": (OPERATOR, "#"), "_": (OPERATOR, "_"),
}  # fmt: skip
#: Plain words that are the LaTeX command of the same name.
COMMAND_WORDS: Final[dict[str, str]] = {
    name: name
    for name in words(
        """
    sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth
    sech csch ln log lg exp sqrt cbrt pi infty gcd lcm max min det floor ceil binom arcsinh
    arccosh arctanh asin acos atan asinh acosh atanh cis frac mod
    """
    )
} | {"infinity": "infty", "inf": "infty", "Infinity": "infty", "oo": "infty", "Pi": "pi"}
CONNECTORS: Final = frozenset({"and", "or"})
