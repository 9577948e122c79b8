"""Read one answer: its canonical key, its tree or trees, its words."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rewardsvc_verifiers.math import tree
from rewardsvc_verifiers.math.literals import number
from rewardsvc_verifiers.math.matrices import fold_matrices
from rewardsvc_verifiers.math.parser import Parser, parse_tokens
from rewardsvc_verifiers.math.text import canonical_phrase, meaning, words_of
from rewardsvc_verifiers.math.token_table import COMMAND, LETTER, NUM, OPERATOR, TEXTUAL, WORD
from rewardsvc_verifiers.math.tokens import Token, canonical_key, strip_wrapping, tokenize
from rewardsvc_verifiers.math.tree import LimitExceeded, Node, NotMathematics


class Reading(NamedTuple):
    """One answer as read. Without `node` and `words` it can only be compared by its key."""

    text: str
    """The answer as written."""
    key: str
    """Equal keys are the same answer in the same notation."""
    node: Node | None = None
    alternative: Node | None = None
    """A second tree where notation is ambiguous: 1,234 as a list, xy as a word."""
    words: str = ""
    """Normal form in words when the answer is in words, else empty."""
    choice: str = ""
    """The letter, when the answer is a multiple-choice letter."""
    choice_text: str = ""
    """What stands after the letter."""
    problem: str = ""
    """Why there is no tree."""
    limited: bool = False
    """Whether a limit, rather than the grammar, stopped the reading."""


_PLAIN: Final = re.compile(
    r"(-?)(?:(0|[1-9]\d{0,17})|(\d{1,16}\.\d{1,16})"
    r"|\\[dt]?frac\{([1-9]\d{0,11})\}\{([1-9]\d{0,11})\})",
    re.ASCII,
)
_CLOCK: Final = re.compile(
    r"(\d{1,2}):(\d{2})(?::00)?\s*(?:\\text\{)?\s*([AaPp])\.?\s*[Mm]\.?\s*\}?", re.ASCII
)
_HOUR: Final = re.compile(
    r"(\d{1,2})\s*(?:\\text\{)?\s*([AaPp])\.?\s*[Mm]\.?\s*\}?|(\d{1,2}):(\d{2})\s*(?:hours|h)",
    re.ASCII,
)
_TEXT_GROUP: Final = re.compile(r"\\(?:text|mathrm)\{([^{}]*)\}")
_CHOICE: Final = re.compile(
    r"(?:option|choice|answer)?\s*\(?\s*([A-Ja-j])\s*(?:\)|\.(?!\d)|:(?!\d)|$)\s*(.*)",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)
_OTHER_LABEL: Final = re.compile(r"\b[A-Z]\s*[:=]")
_HEDGE: Final = re.compile(r"(?:\\text\{)?\s*(?:or|and|,|/|&|\+)(?![A-Za-z])", re.IGNORECASE)
_LABEL_VERBS: Final = frozenset({"is", "are", "equals", "was", "were", "equal"})
_FILLERS: Final = frozenset(
    ["therefore", "thus", "hence", "so", "just", "simply", "answer:", "answer", "exactly"]
)


class Scan(NamedTuple):
    """An answer split into tokens, not yet parsed: enough for the string stage."""

    text: str
    key: str
    tokens: list[Token]
    ready: Reading | None = None
    """The reading, when it needed no parser or cannot have one."""


def scan(text: str, maximum_characters: int = 4000) -> Scan:
    """Split an answer into tokens and make its key. Never raises; linear in its length."""
    stripped = text.strip()
    if len(stripped) < 40 and len(text) <= maximum_characters:
        plain = _read_plain(text, stripped)
        if plain is not None:
            return Scan(text, plain.key, [], plain)
    key = " ".join(text.split())
    if len(text) > maximum_characters:
        unread = Reading(text, key, problem="it is longer than the limit", limited=True)
        return Scan(text, key, [], unread)
    try:
        tokens = tokenize(stripped)
    except LimitExceeded as limit:
        return Scan(text, key, [], Reading(text, key, problem=str(limit), limited=True))
    except NotMathematics as problem:
        return Scan(text, key, [], Reading(text, key, problem=str(problem)))
    return Scan(text, canonical_key(tokens), tokens)


def _read_plain(text: str, stripped: str) -> Reading | None:
    """Integers, decimals and simple fractions, without tokens."""
    found = _PLAIN.fullmatch(stripped)
    if found is None:
        return None
    sign, whole, decimal, top, bottom = found.groups()
    if whole is not None:
        node, key = tree.integer(int(whole)), whole
    elif decimal is not None:
        node, key = number(decimal), decimal
    else:
        parts = (tree.integer(int(top)), tree.integer(int(bottom)))
        node, key = Node(tree.DIVIDE, parts), f"frac {{{top}}}{{{bottom}}}"
    if sign:
        return Reading(text, f"-{key}", tree.negate(node))
    return Reading(text, key, node)


def read(text: str, maximum_characters: int = 4000) -> Reading:
    """Read an answer. Never raises on any text; linear in its length."""
    return complete(scan(text, maximum_characters))


def complete(scanned: Scan) -> Reading:
    """Parse what was scanned."""
    text, key, tokens, ready = scanned
    if ready is not None:
        return ready
    stripped = text.strip()
    if tokens and tokens[0].kind == NUM and ("m" in key or "M" in key or "h" in key):
        clock = _clock(strip_wrapping(_TEXT_GROUP.sub(r"\1", stripped)))
        if clock is not None:
            return Reading(text, key, clock)
    letter, rest = "", ""
    if _may_be_choice(tokens):
        letter, rest = _choice(stripped, tokens)
        if not rest:
            letter = _several_letters(" ".join(t.text for t in tokens)) or letter
    try:
        node, alternative, words = _trees(tokens)
    except LimitExceeded as limit:
        return Reading(text, key, problem=str(limit), limited=True)
    except RecursionError:
        return Reading(text, key, problem="it is nested too deeply", limited=True)
    except NotMathematics as problem:
        return Reading(
            text, key, words=words_of(tokens), choice=letter, choice_text=rest,
            problem=str(problem),
        )  # fmt: skip
    return Reading(text, key, node, alternative, words, letter, rest)


def _clock(text: str) -> Node | None:
    """A time of day with am or pm, as minutes after midnight."""
    found = _CLOCK.fullmatch(text)
    if found is not None:
        hour, minute, half = int(found[1]), int(found[2]), found[3].lower() + "m"
    else:
        bare = _HOUR.fullmatch(text)
        if bare is None:
            return None
        if bare[2] is None:
            hour, minute = int(bare[3]), int(bare[4])
            if hour > 24 or minute > 59:
                return None
            return Node(tree.CLOCK, (), "", hour * 60 + minute)
        hour, minute, half = int(bare[1]), 0, bare[2].lower() + "m"
    if not 1 <= hour <= 12 or minute > 59:
        return None
    return Node(tree.CLOCK, (), half, (hour % 12 + (12 if half == "pm" else 0)) * 60 + minute)


_LETTERS: Final = re.compile(r"\(?[A-H]\)?(?:\s*(?:,|and|&|,\s*and|\s)\s*\(?[A-H]\)?){1,7}")


def _several_letters(key: str) -> str:
    """ "A, C and D" and "ACD" as the letters ACD; empty for anything else."""
    if not 2 <= len(key) <= 60:
        return ""
    letters = "".join(character for character in key if character in "ABCDEFGH")
    if sorted(set(letters)) != list(letters) or len(letters) < 2:
        return ""
    if letters == key or _LETTERS.fullmatch(key):
        return letters
    return ""


def _may_be_choice(tokens: list[Token]) -> bool:
    """Whether the first tokens can be a multiple-choice letter; cheap."""
    for token in tokens[:2]:
        if token.kind in (LETTER, WORD, TEXTUAL):
            return token.kind != LETTER or token.text.upper() in "ABCDEFGHIJ"
        if token.text != "(":
            return False
    return False


def _choice(stripped: str, tokens: list[Token]) -> tuple[str, str]:
    r"""The letter of `(B)`, `B.`, `\textbf{(B)}\ 12`, `option b`, and what follows it."""
    if len(tokens) > 200 or not tokens:
        return "", ""
    first = tokens[0]
    if first.kind == LETTER and len(tokens) == 1 and first.text in "ABCDEFGHIJ":
        return first.text, ""
    plain = strip_wrapping(stripped)
    for wrapper in ("\\textbf{", "\\text{", "\\mathrm{", "\\mathbf{"):
        if plain.startswith(wrapper):
            plain = plain[len(wrapper) :].replace("}", " ", 1)
            break
    plain = plain.replace("\\left(", "(").replace("\\right)", ")").strip("$ *")
    found = _CHOICE.match(plain)
    if found is None:
        return "", ""
    letter, rest = found[1], found[2]
    marked = "(" in plain[: found.start(2)] or plain[found.end(1) : found.end(1) + 2].strip() != ""
    worded = plain[:1].lower() in "oca" and len(plain.split(None, 1)[0]) >= 6
    if not rest and not marked and not worded and not letter.isupper():
        return "", ""
    if rest and not (")" in plain[: found.start(2)] or plain[found.end(1)] in ".:"):
        return "", ""
    if letter.islower() and not (marked or worded):
        return "", ""
    if _HEDGE.match(rest) or _OTHER_LABEL.search(rest):
        return "", ""
    return letter.upper(), rest.strip().lstrip("\\ ~").strip()


def _trees(tokens: list[Token]) -> tuple[Node | None, Node | None, str]:
    """Tree, alternative tree and words. Raises NotMathematics or LimitExceeded."""
    if not tokens:
        raise NotMathematics("nothing is written")
    tokens = _french_intervals(_without_label(tokens))
    worded = sum(token.kind in (WORD, TEXTUAL) for token in tokens)
    commas = worded > 1 and all(
        token.kind in (WORD, TEXTUAL) or token.text in (",", ";", "'") for token in tokens
    )
    if worded == len(tokens) or commas:
        return _from_words(tokens)
    try:
        node = parse_tokens(tokens)
    except NotMathematics:
        words = words_of(tokens)
        meant = meaning(words)
        if meant is not None:
            return meant, None, words
        exception = _with_exception(words, tokens)
        if exception is not None:
            return exception, None, ""
        return Parser(tokens, text_words=True).parse(), None, words
    if any(token.kind == COMMAND and token.text.startswith("begin") for token in tokens):
        node = fold_matrices(node)
    return node, _as_list(tokens), ""


def _from_words(tokens: list[Token]) -> tuple[Node | None, Node | None, str]:
    words = words_of(tokens)
    node = meaning(words)
    if node is None and len(tokens) == 1 and tokens[0].kind == WORD:
        text = tokens[0].text
        product = len(text) == 2 or (len(text) == 3 and set(text) <= set("abcpqrxyzmnk"))
        if product and text.islower():
            return parse_tokens(tokens), None, words
    return node, None, words


def _without_label(tokens: list[Token]) -> list[Token]:
    """Drop words up to a verb: "the area is 15" is 15; "Area = 15" keeps its label."""
    while (
        len(tokens) > 1
        and tokens[0].kind in (WORD, TEXTUAL)
        and tokens[0].text.lower().rstrip(": ") in _FILLERS
    ):
        tokens = tokens[2:] if tokens[1].text in (":", ",") else tokens[1:]
    for index, token in enumerate(tokens[:24]):
        if token.kind in (WORD, TEXTUAL):
            last = token.text.split()[-1].lower() if token.text.split() else ""
            if last in _LABEL_VERBS and 0 < index + 1 < len(tokens):
                negated = tokens[index + 1].text.lower().startswith("not")
                if negated or (index == 0 and " " not in token.text):
                    return tokens
                return tokens[index + 1 :]
        elif token.kind != LETTER and not (token.kind == OPERATOR and token.text in "',"):
            break
    return tokens


def _french_intervals(tokens: list[Token]) -> list[Token]:
    """]0, 3[ and [0, 3[ with the brackets that the grammar expects."""
    if tokens[0].text != "]" and tokens[-1].text != "[":
        return tokens
    turned = list(tokens)
    for index, token in enumerate(tokens):
        if token.kind != OPERATOR or token.text not in ("[", "]"):
            continue
        before = tokens[index - 1].text if index else "cup"
        after = tokens[index + 1].text if index + 1 < len(tokens) else "cup"
        if token.text == "]" and before in ("cup", "in", "="):
            turned[index] = token._replace(text="(")
        elif token.text == "[" and after == "cup":
            turned[index] = token._replace(text=")")
    return turned


def _as_list(tokens: list[Token]) -> Node | None:
    """1,234 at top level read as the list 1, 234; None when nothing was joined."""
    if not any(token.kind == NUM and token.joined for token in tokens):
        return None
    split: list[Token] = []
    for token in tokens:
        groups = token.joined.split(",") if token.joined else [token.text]
        for index, group in enumerate(groups):
            if index:
                split.append(Token(OPERATOR, ","))
            split.append(Token(token.kind, group, token.spaced))
    try:
        return parse_tokens(split)
    except (NotMathematics, LimitExceeded):
        return None


def _with_exception(words: str, tokens: list[Token]) -> Node | None:
    """ "all real numbers except 2" as the reals without that set."""
    for phrase in (" except for ", " except ", " excluding ", " other than ", " but "):
        head, found, _ = words.partition(phrase)
        if found and meaning(head) == Node(tree.NUMBER_SET, (), "reals"):
            key = phrase.split()[0]
            for index, token in enumerate(tokens):
                if token.text.lower().split()[-1:] == [key] or key in token.text.lower().split():
                    rest = tokens[index + 1 :]
                    while rest and rest[0].text.lower() in ("for", "than"):
                        rest = rest[1:]
                    if not rest:
                        return None
                    removed = parse_tokens(rest)
                    if removed.kind == tree.RELATION and removed.name == "=":
                        removed = removed.args[1]
                    items = removed.args if removed.kind == tree.LIST else (removed,)
                    points = Node(tree.SET, items)
                    reals = Node(tree.NUMBER_SET, (), "reals")
                    return Node(tree.SET_DIFFERENCE, (reals, points))
    return None


def phrase_of(reading: Reading) -> str:
    """The reading's words under the table of synonyms."""
    return canonical_phrase(reading.words)


__all__ = ["COMMAND", "Reading", "phrase_of", "read"]
