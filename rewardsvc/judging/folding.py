"""Text as a lenient reader takes it: one spelling for everything that looks alike.

`fold` applies NFKC, drops invisible characters and combining marks, and folds case.
`readings` adds what hidden writing says: letters of other alphabets and digits that look like
letters, text
turned round by a bidirectional override, letters spelled out one by one, and ASCII in
Unicode's invisible tag characters.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["fold", "hidden_tag_text", "readings", "without_invisible"]

_TAG_RUN = re.compile("[\U000e0020-\U000e007e]+")
_BLACK_FLAG = "\U0001f3f4"
_REVERSED = re.compile("\u202e([^\u202c\n]*)")
_SPELLED = re.compile(r"(?<![^\W_])(?:[^\W_][ .·*_-]){2,}[^\W_](?![^\W_])")

# Cyrillic, Greek and others that are drawn like Latin letters, after case folding.
_LOOKALIKES = str.maketrans(
    {
        **dict(zip("авсеһіјкмнорԛѕтԝхуьӏԁɡո", "abcehijkmhopqstwxybldgn", strict=True)),
        **dict(zip("αβεικνορτυχγηωϲ", "abeiknoptuxynwc", strict=True)),
        **dict(zip("ıȷɑɩʟʀɴᴀʙᴄᴅᴇɢʜᴊᴋᴍᴏᴘꜱᴛᴜᴠᴡʏᴢ", "ijailrnabcdeghjkmopstuvwyz", strict=True)),
    }
)
_LOOKALIKE_ALPHABETS = re.compile("[\u0370-\u03ff\u0400-\u052f\u0250-\u02af\u1d00-\u1d7fıȷꜱո]")
_DIGITS = str.maketrans("013457@$", "oieastas")
_DIGIT_IN_WORD = re.compile("[a-z][013457@$][a-z]|[a-z]{3}[013457@$](?![a-z0-9])")
_DIGIT_WORD = re.compile("[a-z][a-z013457@$]{3,}")
_LATIN = re.compile("[a-z]")


def without_invisible(text: str) -> str:
    """The text without characters that show nothing: formats, variation selectors, fillers."""
    if text.isascii():
        return text
    return "".join(c for c in text if unicodedata.category(c) != "Cf" and c not in _FILLERS)


_FILLERS = frozenset(
    "\u115f\u1160\u3164\uffa0\u034f\u2800" + "".join(map(chr, range(0xFE00, 0xFE10)))
)


def fold(text: str) -> str:
    """The folded text; letters keep their order, white space its places."""
    if text.isascii():
        return text.lower()
    normal = unicodedata.normalize("NFKC", without_invisible(text)).casefold()
    apart = unicodedata.normalize("NFKD", normal)
    return "".join(c for c in apart if unicodedata.category(c) != "Mn")


def hidden_tag_text(text: str) -> str:
    """ASCII that stands in invisible tag characters; the flags of regions do not count."""
    if text.isascii():
        return ""
    found = []
    for run in _TAG_RUN.finditer(text):
        if text[run.start() - 1 : run.start()] != _BLACK_FLAG:
            found.append("".join(chr(ord(c) - 0xE0000) for c in run[0]))
    return " ".join(found)


def readings(text: str) -> list[str]:
    """The folded text, and every other way it reads; most texts have one reading."""
    first = fold(text)
    found = [first]
    if "\u202e" in text:
        found.append(fold(_REVERSED.sub(lambda run: run[1][::-1], text)))
    if _LATIN.search(first) and _LOOKALIKE_ALPHABETS.search(first):
        found.append(first.translate(_LOOKALIKES))
    if _DIGIT_IN_WORD.search(first):
        found.append(_DIGIT_WORD.sub(lambda word: word[0].translate(_DIGITS), first))
    if _SPELLED.search(first):
        found.append(_SPELLED.sub(lambda run: re.sub(r"[\W_]", "", run[0]), first))
    return found
