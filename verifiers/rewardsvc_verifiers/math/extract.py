r"""Find the answer that a response declares, in linear time.

Only a declared channel counts, in this order: the last `<answer>` tag, the last
`\boxed{}`/`\fbox{}`, `####`, then the last of "Answer:", "A:" at a line's start, "the final
answer is", "the answer is". A response that is nothing but a short answer is its own
declaration. A number that merely occurs in the text is not an answer.

An empty or unterminated final box (or tag) is no answer, whatever came before it. A strong
declaration after the chosen one is kept as `contradiction`, for the verifier to compare.

Scanning uses `str.find` and one forward pass over braces; no regular expression that can
backtrack sees the text.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Extraction(NamedTuple):
    """What a response declares."""

    answer: str | None
    """The answer as written, or None."""
    channel: str
    """`answer_tag`, `box`, `hashes`, `phrase`, `bare`, or empty when there is none."""
    problem: str = ""
    """Why there is no answer, for people."""
    contradiction: str | None = None
    """A later declaration on another channel, which must not disagree."""


_BOX: Final = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])")
_PHRASES: Final = ("final answer is", "final answer:", "final answer", "answer is", "answer:")
_STRONG_PHRASES: Final = ("final answer is", "final answer:", "answer:")
_JOINERS: Final = frozenset(
    ["", "or", "and", ",", ";", ", and", ", or", ",and", ",or", "&", "or else", "and/or"]
)
_BARE_CHARACTERS: Final = 400
_BARE_WORDS: Final = 6
_MAXIMUM_BOXES: Final = 64
_MAXIMUM_PHRASE: Final = 2000


def extract(text: str, tail_characters: int = 65536) -> Extraction:
    """The answer declared in the last `tail_characters` of `text`."""
    tail = text[-tail_characters:] if len(text) > tail_characters else text
    tagged = _from_tag(tail)
    if tagged is not None:
        return tagged
    box, end = _from_boxes(tail)
    if box is not None:
        if box.answer is None:
            return box
        rest = tail[end:]
        later = _from_hashes(rest) or _from_phrases(rest, _STRONG_PHRASES)
        if later is not None and later.answer is not None:
            return box._replace(contradiction=later.answer)
        return box
    return (
        _from_hashes(tail)
        or _from_phrases(tail, _PHRASES)
        or (_bare(text) if len(tail) == len(text) else None)
        or Extraction(None, "", "the response declares no final answer")
    )


def _from_tag(tail: str) -> Extraction | None:
    lowered = tail.lower() if "<ANSWER>" in tail or "<Answer>" in tail else tail
    start = lowered.rfind("<answer>")
    if start < 0:
        return None
    start += len("<answer>")
    end = lowered.find("</answer>", start)
    if end < 0:
        return Extraction(None, "answer_tag", "the last <answer> tag is not closed")
    inside = tail[start:end].strip()
    if not inside:
        return Extraction(None, "answer_tag", "the last <answer> tag is empty")
    nested, _ = _from_boxes(inside)
    if nested is not None:
        return nested._replace(channel="answer_tag")
    rest = tail[end:]
    later, _ = _from_boxes(rest)
    declared = later.answer if later is not None else None
    return Extraction(_after_label(inside), "answer_tag", "", declared)


def _after_label(inside: str) -> str:
    """The tag's content without a leading "Answer:" of its own."""
    found = _from_phrases(inside, _PHRASES)
    return found.answer if found is not None and found.answer else inside


def matching_brace(text: str, opening: int) -> int:
    """Index of the brace that closes the one at `opening`, or -1. Escaped braces are text."""
    depth = 0
    position = opening
    length = len(text)
    while position < length:
        character = text[position]
        if character == "\\":
            position += 2
            continue
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return -1


def _box_content(tail: str, after: int) -> tuple[str, int] | None:
    """Content and end of the box whose command ends at `after`; None when unterminated."""
    position = after
    while position < len(tail) and tail[position] in " \t\n":
        position += 1
    if position >= len(tail):
        return None
    if tail[position] != "{":
        end = position
        while end < len(tail) and tail[end] not in " \t\n$,;)":
            end += 1
        return tail[position:end].rstrip("."), end
    end = matching_brace(tail, position)
    if end < 0:
        return None
    return tail[position + 1 : end].strip(), end + 1


def _from_boxes(tail: str) -> tuple[Extraction | None, int]:
    """The last box, joined with those before it when only a connective stands between."""
    if "\\boxed" not in tail and "\\fbox" not in tail and "\\framebox" not in tail:
        return None, 0
    marks = [(found.start(), found.end()) for found in _BOX.finditer(tail)][-_MAXIMUM_BOXES:]
    if not marks:
        return None, 0
    boxes: list[tuple[int, int, str]] = []
    for start, after in marks:
        if boxes and start < boxes[-1][1]:
            continue  # nested in the box before it
        content = _box_content(tail, after)
        if content is None:
            unterminated = Extraction(None, "box", "the last box is not closed")
            return unterminated, len(tail)
        boxes.append((start, content[1], content[0]))
    content_text = _unwrap(boxes[-1][2])
    if not content_text:
        return Extraction(None, "box", "the last box is empty"), len(tail)
    parts = [content_text]
    position = len(boxes) - 1
    while position > 0:
        between = tail[boxes[position - 1][1] : boxes[position][0]]
        if len(between) > 40:
            break
        joiner = " ".join(between.replace("$", " ").replace("\\", " ").split()).lower()
        joiner = joiner.replace("text{", "").replace("}", "").strip(" ()[]")
        if joiner not in _JOINERS or (joiner == "" and "\n" in between):
            break
        parts.append(" or " if "or" in joiner else ", ")
        parts.append(_unwrap(boxes[position - 1][2]))
        position -= 1
    return Extraction("".join(reversed(parts)), "box"), boxes[-1][1]


def _unwrap(content: str) -> str:
    """The innermost content of boxes nested around the whole of it."""
    for _ in range(8):
        found = _BOX.search(content)
        if found is None:
            return content
        inner = _box_content(content, found.end())
        if inner is None:
            return ""
        content = (content[: found.start()] + inner[0] + content[inner[1] :]).strip()
    return content


def _from_hashes(tail: str) -> Extraction | None:
    start = tail.rfind("####")
    if start < 0 or tail[start - 1 : start] == "#":
        return None
    line = tail[start + 4 :].lstrip(" \t")
    line = line.split("\n", 1)[0].strip()
    if not line:
        return Extraction(None, "hashes", "nothing follows the last ####")
    return Extraction(line, "hashes")


def _from_phrases(tail: str, phrases: tuple[str, ...]) -> Extraction | None:
    """The last declaring phrase and what follows it, to the end of its line or sentence."""
    lowered = tail.lower()
    if len(lowered) != len(tail):  # some characters change length: positions would shift
        lowered = tail
    best = -1
    end = -1
    for phrase in phrases:
        start = lowered.rfind(phrase)
        if start >= 0 and start + len(phrase) > end:
            best, end = start, start + len(phrase)
    if "answer:" in phrases:
        for mark in ("\na:", "? a:", ". a:", "\n**a:**", "\n**answer**:"):
            start = lowered.rfind(mark)
            if start >= 0 and start + len(mark) > end:
                best, end = start, start + len(mark)
        if lowered.startswith("a:") and end < 0:
            best, end = 0, 2
    if best < 0:
        return None
    rest = tail[end : end + _MAXIMUM_PHRASE].lstrip(" \t*:")
    if rest.startswith("\n"):
        rest = rest.lstrip()
    for opening, closing in (("$$", "$$"), ("$", "$"), ("\\[", "\\]"), ("\\(", "\\)")):
        if rest.startswith(opening):
            close = rest.find(closing, len(opening))
            if close > 0:
                after = rest[close + len(closing) :].split("\n", 1)[0].strip(" .*")
                if not after:
                    return Extraction(rest[len(opening) : close].strip(), "phrase")
            break
    line = rest.split("\n", 1)[0]
    sentence = _first_sentence(line).strip().strip("*").strip()
    if not sentence or sentence == ".":
        return Extraction(None, "phrase", "nothing follows the declaration of the answer")
    return Extraction(sentence, "phrase")


def _first_sentence(line: str) -> str:
    """Up to the first full stop that ends a sentence (not one inside a number)."""
    position = line.find(". ")
    while position >= 0:
        word = line[:position].rsplit(" ", 1)[-1].lower()
        if word not in ("a.m", "p.m", "a", "p", "approx", "sq", "no", "vs"):
            return line[:position]
        position = line.find(". ", position + 1)
    return line


_SPEAKING = frozenset(
    [
        "i",
        "we",
        "you",
        "my",
        "our",
        "it's",
        "i'm",
        "don't",
        "can't",
        "cannot",
        "sorry",
        "unable",
        "unsure",
    ]
)
"""Words of somebody who talks: a text with one of them is no bare answer."""


def _bare(text: str) -> Extraction | None:
    """The whole response, when it is one short line that can be an answer and no sentence."""
    stripped = text.strip()
    if not stripped or "\n" in stripped:
        return None
    if len(stripped) > _BARE_CHARACTERS:
        return None
    words = [word for word in stripped.split() if word.strip(".,").isalpha() and len(word) > 1]
    if len(words) > _BARE_WORDS or ". " in stripped or stripped.endswith("?"):
        return None
    if words and not _SPEAKING.isdisjoint(stripped.lower().rstrip(".!").split()):
        return None
    return Extraction(stripped, "bare")


def reference_answer(reference: str) -> str:
    """The answer inside a reference: its declared channel, else the whole text.

    A reference may be a full solution ending in `#### 42` or `A: 42`.
    """
    found, _ = _from_boxes(reference)
    if found is None:
        found = _from_hashes(reference)
    labelled = reference[:2].lower() == "a:" and ":" not in reference[2:]
    if found is None and ("\n" in reference or labelled):
        found = _from_phrases(reference, _PHRASES)
    if found is None and reference[:7].lower() == "answer:":
        found = _from_phrases(reference, _PHRASES)
    if found is not None and found.answer:
        return found.answer
    return reference.strip()
