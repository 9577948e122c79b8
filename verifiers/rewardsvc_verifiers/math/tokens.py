r"""Split an answer into tokens: LaTeX and plain notation, layout commands dropped.

Two notations of the same answer mostly become the same tokens, so the string stage compares
`canonical_key`. Linear time: one regular expression without nested repetition, and a
brace match per text group.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rewardsvc_verifiers.math.characters import to_latex
from rewardsvc_verifiers.math.extract import matching_brace
from rewardsvc_verifiers.math.token_table import (
    COMMAND,
    COMMAND_WORDS,
    CONNECTORS,
    DECORATIONS,
    DIGITS,
    DROPPED,
    END,
    ESCAPES,
    GREEK_LETTERS,
    LETTER,
    NUM,
    NUMBER_SETS,
    OPERATOR,
    RENAMED_COMMANDS,
    REPEATING,
    SIZED,
    TEXT_COMMANDS,
    TEXTUAL,
    WORD,
)
from rewardsvc_verifiers.math.tree import MAXIMUM_DIGITS, LimitExceeded, NotMathematics

MAXIMUM_TOKENS: Final = 1500


class Token(NamedTuple):
    """One token; `spaced` says whether white space stood before it."""

    kind: str
    text: str
    spaced: bool = False
    joined: str = ""
    """How a number with plain comma separators was written: 1,234 may be two numbers."""


END_TOKEN: Final = Token(END, "")

_SPACE: Final = r"(?P<space>(?:\s|~|\\[,;:!>\s])+)"
_RARE: Final = r"""
  | (?P<repeating>\d*\.\d*(?:\\(?:overline|bar|dot|overdot)(?:\s*\d|\s*\{\s*\d+\s*\})|\(\d+\)
        |(?<=\d)(?:\.\.\.|\\[lc]?dots(?![A-Za-z]))))
  | (?P<base>(?=[\dA-F]*\d)(?=[\dA-F]*[A-F])[\dA-F]{2,40}(?=_(?:\{?(?:1[1-6]))))
"""
_COMMON: Final = r"""
  | (?P<num>\d+(?:(?:,|\{,\}|\\[,;:!]|\\?\ |~|\\thinspace\ ?)\d+)*(?:\.\d+(?:\\,\d+)*(?!\.\.))?
        (?:[eE][+-]?\d+(?![A-Za-z\d]))?|\.\d+(?:[eE][+-]?\d+(?![A-Za-z\d]))?)
  | (?P<command>\\[A-Za-z]+\*?)
  | (?P<word>[A-Za-z]+)
  | (?P<escape>\\.)
  | (?P<dots>\.\.\.+)
  | (?P<operator><=|>=|!=|==|<>|\*\*|->|\|\||[-+*/^_=<>!%&|(){}\[\],;:.'"?@\#`$\\])
  | (?P<other>.)
"""
_FLAGS: Final = re.VERBOSE | re.DOTALL
_SCAN: Final = re.compile(_SPACE + _COMMON, _FLAGS)
#: With repeating decimals and bases over ten; tried only where a dot or a subscript occurs.
_SCAN_ALL: Final = re.compile(_SPACE + _RARE + _COMMON, _FLAGS)
_GROUPS: Final = re.compile(r"(,|\{,\}|\\[,;:!]|\\?\ |~|\\thinspace\ ?)")
_REPEAT_PARTS: Final = re.compile(r"(\d*)\.(\d*)(.*)", re.DOTALL)


def tokenize(text: str) -> list[Token]:
    """Tokens of one answer. Raises LimitExceeded when there are too many of them."""
    tokens: list[Token] = []
    latex = strip_wrapping(to_latex(text))
    _scan(latex, tokens, 0)
    return _merge(tokens) if "circ" in latex or "deg" in latex else tokens


_WRAPPERS: Final = frozenset("$\\()[]*_.,;:\"'`")


def strip_wrapping(text: str) -> str:
    """Drop dollars, math delimiters, markdown stars, quotes and a final full stop."""
    text = text.strip()
    if text and text[-1] not in _WRAPPERS and text[0] not in _WRAPPERS:
        return text
    if text[:1] == "\\" and text[-1] not in _WRAPPERS and text[1:2] not in "([d":
        return text
    for _ in range(6):
        before = text
        if text.startswith("$") and not _is_money(text):
            text = text.lstrip("$").strip()
        if text.endswith("$") and not text.endswith("\\$"):
            text = text.rstrip("$").strip()
        if text.startswith(("\\(", "\\[")):
            text = text[2:].strip()
        if text.endswith(("\\)", "\\]")) and not text.endswith(("\\\\)", "\\\\]")):
            text = text[:-2].strip()
        if text.startswith(("**", "__")):
            text = text[2:].strip()
        if text.endswith(("**", "__")):
            text = text[:-2].strip()
        if text.endswith((".", ",", ";", ":")) and not text.endswith(
            ("...", "a.m.", "p.m.", "A.M.", "P.M.", "\\,", "\\;", "\\:")
        ):
            text = text[:-1].strip()
        if text.startswith("\\displaystyle"):
            text = text[len("\\displaystyle") :].strip()
        if text.endswith("...."):
            text = text[:-1]
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
            text = text[1:-1].strip()
        if text == before:
            break
    return text


def _is_money(text: str) -> bool:
    """Whether the leading dollar is a currency sign: followed by a digit, and never closed."""
    rest = text[1:].lstrip()
    return rest[:1].isdigit() and "$" not in rest.replace("\\$", "")


def _scan(text: str, tokens: list[Token], depth: int) -> None:
    if depth > 8:
        raise LimitExceeded("text groups are nested too deeply")
    position = 0
    length = len(text)
    spaced = False
    brackets = 0
    match_at = (_SCAN_ALL if "." in text or "_" in text else _SCAN).match
    append = tokens.append
    while position < length:
        found = match_at(text, position)
        if found is None:
            raise NotMathematics("a character could not be read")
        position = found.end()
        group = found.lastgroup
        lexeme = found.group()
        if group == "space":
            spaced = True
            continue
        if len(tokens) > MAXIMUM_TOKENS:
            raise LimitExceeded(f"more than {MAXIMUM_TOKENS} tokens")
        if group == "operator":
            if lexeme in ("(", "["):
                brackets += 1
            elif lexeme in (")", "]"):
                brackets = max(0, brackets - 1)
            if lexeme == "$":
                if text[position : position + 1].isdigit() and "$" not in text[position:]:
                    append(Token(COMMAND, "dollar", spaced))
                spaced = True
                continue
            if lexeme == "**":
                lexeme = "^"
            elif lexeme == "<>":
                lexeme = "!="
            elif lexeme == "-" and text[position : position + 1] == ">":
                lexeme = "->"
            append(Token(OPERATOR, lexeme, spaced))
        elif group == "num":
            _number(lexeme, tokens, spaced, brackets > 0)
        elif group == "word":
            _word(lexeme, tokens, spaced)
        elif group == "command":
            position = _command(lexeme[1:], text, position, tokens, spaced, depth)
        elif group == "escape":
            kind_text = ESCAPES.get(lexeme[1])
            if lexeme in ("\\(", "\\)", "\\[", "\\]"):
                spaced = True
                continue
            if kind_text is None:
                spaced = True
                continue
            if kind_text[1] == "\\{":
                brackets += 1
            elif kind_text[1] == "\\}":
                brackets = max(0, brackets - 1)
            append(Token(kind_text[0], kind_text[1], spaced))
        elif group == "base":
            append(Token(DIGITS, lexeme, spaced))
        elif group == "repeating":
            append(_repeating(lexeme, spaced))
        elif group == "dots":
            append(Token(OPERATOR, "...", spaced))
        else:
            append(Token(TEXTUAL, lexeme, spaced))
        spaced = False


def _command(
    name: str, text: str, position: int, tokens: list[Token], spaced: bool, depth: int
) -> int:
    """Handle one command; the position after it and what it consumed."""
    renamed = RENAMED_COMMANDS.get(name)
    if renamed is not None:
        tokens.append(Token(renamed[0], renamed[1], spaced))
    elif name in DROPPED:
        # \left. and \right. are invisible delimiters.
        if name in ("left", "right", "middle") and text[position : position + 1] == ".":
            return position + 1
        if name == "middle" and text[position : position + 1] == "|":
            tokens.append(Token(OPERATOR, "\\mid", spaced))
            return position + 1
    elif name in TEXT_COMMANDS or name == "mathbb":
        return _text_group(name, text, position, tokens, spaced, depth)
    elif name in GREEK_LETTERS:
        tokens.append(Token(LETTER, name, spaced))
    elif name in ("begin", "end"):
        close = matching_brace(text, position) if text[position : position + 1] == "{" else -1
        if close < 0:
            raise NotMathematics("an environment without a name")
        environment = text[position + 1 : close].rstrip("*")
        tokens.append(Token(COMMAND, f"{name}:{environment}", spaced))
        position = close + 1
        if name == "begin" and environment in ("array", "tabular"):
            while text[position : position + 1] in (" ", "\n"):
                position += 1
            if text[position : position + 1] == "{":
                close = matching_brace(text, position)
                if close > 0:
                    position = close + 1
        return position
    elif name in SIZED:
        if text[position : position + 1] == "{":
            close = matching_brace(text, position)
            if close > 0:
                return close + 1
    elif name not in DECORATIONS:
        tokens.append(Token(COMMAND, name, spaced))
    return position


def _text_group(
    name: str, text: str, position: int, tokens: list[Token], spaced: bool, depth: int
) -> int:
    while text[position : position + 1] == " ":
        position += 1
    if text[position : position + 1] != "{":
        if name == "mathbb" and text[position : position + 1] in NUMBER_SETS:
            tokens.append(Token(COMMAND, NUMBER_SETS[text[position]], spaced))
            return position + 1
        return position
    close = matching_brace(text, position)
    if close < 0:
        raise NotMathematics("a text group is not closed")
    content = text[position + 1 : close]
    stripped = content.strip()
    bold = name in ("mathbf", "bold", "mathcal") and stripped == "R"
    if stripped in NUMBER_SETS and (name == "mathbb" or bold):
        tokens.append(Token(COMMAND, NUMBER_SETS[stripped], spaced))
        return close + 1
    spaced = spaced or content[:1].isspace()
    lowered = stripped.lower()
    if lowered.strip(", ") in CONNECTORS:
        tokens.append(Token(WORD, lowered.strip(", "), True))
    elif lowered == "to" and tokens and tokens[-1].kind == NUM:
        tokens.append(Token(OPERATOR, ":", spaced))
    elif stripped in COMMAND_WORDS and not (
        stripped == "min" and text[close + 1 : close + 2] != "("
    ):
        tokens.append(Token(COMMAND, COMMAND_WORDS[stripped], spaced))
    elif len(stripped) == 1 and stripped.isalpha():
        # \mathrm{m} may be a unit, \mathbf{v} a vector: the parser sees which text it was.
        kind = TEXTUAL if name in ("text", "mathrm", "textrm", "mbox", "unit") else LETTER
        if stripped in "eid" and name == "mathrm":
            kind = LETTER
        if stripped in "ijk" and name in ("mathbf", "bm", "boldsymbol", "bold", "textbf"):
            tokens.append(Token(COMMAND, "hat", spaced))
        tokens.append(Token(kind, stripped, spaced))
    elif _is_wordy(stripped):
        _words(stripped.split(), tokens, spaced)
    elif stripped:
        inner: list[Token] = []
        _scan(stripped, inner, depth + 1)
        if inner:
            inner[0] = inner[0]._replace(spaced=spaced)
        tokens.extend(inner)
    return close + 1


def _words(pieces: list[str], tokens: list[Token], spaced: bool) -> None:
    """Words of a text group; a connective at either end is a token of its own."""
    if pieces[0].lower() in CONNECTORS and len(pieces) > 1:
        tokens.append(Token(WORD, pieces[0].lower(), True))
        pieces = pieces[1:]
    last = pieces[-1].lower() if pieces[-1].lower() in CONNECTORS and len(pieces) > 1 else ""
    body = pieces[:-1] if last else pieces
    tokens.append(Token(TEXTUAL, " ".join(body), spaced))
    if last:
        tokens.append(Token(WORD, last, True))


def _is_wordy(content: str) -> bool:
    """Whether a text group is words rather than mathematics put upright."""
    if not content or "\\" in content or "$" in content:
        return False
    letters = sum(character.isalpha() for character in content)
    digits = any(character.isdigit() for character in content)
    return letters >= 2 and not digits and not any(c in "=<>+{}()[]," for c in content)


def _word(lexeme: str, tokens: list[Token], spaced: bool) -> None:
    if len(lexeme) == 1:
        tokens.append(Token(LETTER, lexeme, spaced))
        return
    command = COMMAND_WORDS.get(lexeme)
    if command is not None:
        tokens.append(Token(COMMAND, command, spaced))
    elif lexeme in GREEK_LETTERS:
        tokens.append(Token(LETTER, lexeme, spaced))
    elif lexeme.lower() in CONNECTORS:
        tokens.append(Token(WORD, lexeme.lower(), spaced))
    elif lexeme == "to" and tokens and tokens[-1].kind == NUM:
        tokens.append(Token(OPERATOR, ":", spaced))
    else:
        tokens.append(Token(WORD, lexeme, spaced))


def _number(lexeme: str, tokens: list[Token], spaced: bool, in_brackets: bool) -> None:
    """One number with separators, or the several numbers that it turns out to be."""
    if lexeme.isdigit():
        _check_digits(lexeme)
        tokens.append(Token(NUM, lexeme, spaced))
        return
    whole_part, point, decimals = lexeme.partition(".")
    if "\\" in decimals:
        lexeme = whole_part + point + decimals.replace("\\,", "")
    parts = _GROUPS.split(lexeme)
    if len(parts) == 1:
        _check_digits(lexeme)
        tokens.append(Token(NUM, lexeme, spaced))
        return
    groups = parts[::2]
    separators = parts[1::2]
    last_whole = groups[-1].split(".", 1)[0]
    plain_commas = "," in separators
    whole = (
        len(set(separators)) == 1
        and 0 < len(groups[0]) <= 3
        and (groups[0] != "0" or separators[0] == "{,}")
        and all(len(group) == 3 for group in groups[1:-1])
        and len(last_whole) == 3
        and not (plain_commas and in_brackets and "000" not in groups[1:])
    )
    if whole or all(separator not in (",", " ", "~", "\\ ") for separator in separators):
        joined = "".join(groups)
        _check_digits(joined)
        tokens.append(Token(NUM, joined, spaced, lexeme if plain_commas and whole else ""))
        return
    for index, group in enumerate(groups):
        if index and separators[index - 1] in (",", "{,}"):
            tokens.append(Token(OPERATOR, ",", False))
        _check_digits(group)
        tokens.append(Token(NUM, group, spaced if index == 0 else separators[index - 1] != ","))


def _check_digits(lexeme: str) -> None:
    if len(lexeme) > MAXIMUM_DIGITS:
        raise LimitExceeded(f"a number of more than {MAXIMUM_DIGITS} digits")


def _repeating(lexeme: str, spaced: bool) -> Token:
    r"""0.1\overline{6}, 0.1(6) and 0.1666... as `0.1(6)`."""
    found = _REPEAT_PARTS.match(lexeme)
    if found is None:
        raise NotMathematics("a repeating decimal could not be read")
    whole, fixed, rest = found.groups()
    _check_digits(lexeme)
    if rest.startswith("...") or "dots" in rest:
        fixed, period = _period_of(fixed)
        if not period:
            return Token(NUM, f"{whole or '0'}.{fixed}", spaced)
    else:
        period = "".join(character for character in rest if character.isdigit())
    return Token(REPEATING, f"{whole or '0'}.{fixed}({period})", spaced)


def _period_of(digits: str) -> tuple[str, str]:
    """Fixed part and period of digits written out before an ellipsis; period may be empty."""
    length = len(digits)
    for size in range(1, min(length // 2, 12) + 1):
        period = digits[-size:]
        start = length - size
        while start - size >= 0 and digits[start - size : start] == period:
            start -= size
        copies = (length - start) // size
        if copies >= 3 or (copies >= 2 and size >= 2):
            return digits[:start], period
    return digits, ""


def _merge(tokens: list[Token]) -> list[Token]:
    """Join `^` with a degree sign, and drop what is only layout at either end."""
    merged: list[Token] = []
    index = 0
    count = len(tokens)
    while index < count:
        token = tokens[index]
        if token.kind == OPERATOR and token.text == "^" and index + 1 < count:
            following = tokens[index + 1]
            if following.text == "deg" and following.kind == OPERATOR:
                merged.append(Token(OPERATOR, "deg"))
                index += 2
                continue
            if (
                following.text == "{"
                and index + 3 < count
                and tokens[index + 2][:2] == (OPERATOR, "deg")
                and tokens[index + 3].text == "}"
            ):
                merged.append(Token(OPERATOR, "deg"))
                index += 4
                continue
        merged.append(token)
        index += 1
    return merged


def canonical_key(tokens: list[Token]) -> str:
    """One string per notation-independent answer; equal keys mean equal answers."""
    pieces: list[str] = []
    for kind, text, spaced, _ in tokens:
        if kind == OPERATOR:
            pieces.append(text)
        elif kind == COMMAND or (kind == LETTER and len(text) > 1):
            pieces.append(text + " ")
        elif spaced and (kind == NUM or kind == WORD) and pieces:  # noqa: SIM109
            pieces.append(" " + text)
        else:
            pieces.append(text)
    return "".join(pieces)
