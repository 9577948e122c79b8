"""Compare two answers by type: the dispatcher of the typed stage.

`judge_readings` takes whole answers (with their words and choices), `Comparison.judge` takes
trees. Each kind of answer is compared in a module of its own; this one only decides which.
"""

from __future__ import annotations

from typing import Final

from rewardsvc_verifiers.math import groups, tree
from rewardsvc_verifiers.math.equations import judge_equations, judge_inequalities
from rewardsvc_verifiers.math.exact import exact
from rewardsvc_verifiers.math.judgement import (
    NUMERIC,
    PARSE,
    STRING,
    TYPED,
    Judgement,
    deeper,
    different,
    equal,
    unknown,
)
from rewardsvc_verifiers.math.labels import (
    Part,
    as_points,
    named,
    parts_of,
    strip_conditions,
)
from rewardsvc_verifiers.math.policy import MathPolicy
from rewardsvc_verifiers.math.reading import Reading, phrase_of
from rewardsvc_verifiers.math.regions import NoRegion, Region, is_region, region
from rewardsvc_verifiers.math.scalars import judge_scalar
from rewardsvc_verifiers.math.text import (
    VALUELESS,
    canonical_phrase,
    is_synonym,
    normal_words,
    number_word,
    ordinal,
)
from rewardsvc_verifiers.math.tree import LimitExceeded, Node

_COLLECTIONS: Final = frozenset({tree.LIST, tree.SET})
_MAXIMUM_JUDGEMENTS: Final = 1500
_LONG_TEXT: Final = 4


ALIKE: Final = equal(STRING, "both are written alike")


def judge_readings(reference: Reading, answer: Reading, policy: MathPolicy) -> Judgement:
    """Whether two answers are the same, by words, choice letters and trees."""
    if reference.key == answer.key:
        return ALIKE
    if reference.choice or answer.choice:
        chosen = _judge_choice(reference, answer, policy)
        if chosen is not None:
            return chosen
    best = _judge_trees(reference, answer, policy)
    if best is not None and best.equal is not None:
        return best
    worded = _judge_words(reference, answer, policy)
    if worded is not None and (worded.equal is not None or best is None):
        return worded
    if best is not None:
        return best
    problem = answer.problem or reference.problem or "one is in words, the other is not"
    return unknown(f"they could not be compared: {problem}", PARSE)


def _judge_trees(reference: Reading, answer: Reading, policy: MathPolicy) -> Judgement | None:
    best: Judgement | None = None
    signs = (
        "+-" in reference.key or "-+" in reference.key or "+-" in answer.key or ("-+" in answer.key)
    )
    for left in (reference.node, reference.alternative):
        for right in (answer.node, answer.alternative):
            if left is None or right is None:
                continue
            found = _guarded(left, right, policy, signs)
            if found.equal:
                return found
            if best is None or (best.equal is False and found.equal is None):
                best = found
    return best


def _guarded(left: Node, right: Node, policy: MathPolicy, signs: bool) -> Judgement:
    try:
        return Comparison(policy, signs).judge(left, right)
    except LimitExceeded as limit:
        return unknown(f"the comparison was stopped: {limit}")
    except (OverflowError, RecursionError, MemoryError):
        return unknown("the comparison was stopped: a value too large")


def _judge_choice(reference: Reading, answer: Reading, policy: MathPolicy) -> Judgement | None:
    """Multiple choice: the letters decide when both are letters."""
    if reference.choice and answer.choice:
        if reference.choice == answer.choice:
            return equal(TYPED, f"both choose {reference.choice}")
        if not (reference.choice_text or answer.choice_text) or (
            reference.choice_text and answer.choice_text
        ):
            return different(TYPED, f"{answer.choice} is chosen instead of {reference.choice}")
        return different(TYPED, f"{answer.choice} is chosen instead of {reference.choice}")
    if reference.choice and reference.choice_text and policy.choice_text:
        from rewardsvc_verifiers.math.reading import read

        return judge_readings(read(reference.choice_text), answer, policy)
    if reference.choice and not reference.choice_text and _is_hedge(answer):
        return different(TYPED, "several choices instead of one")
    return None


def _is_hedge(answer: Reading) -> bool:
    return answer.node is not None and answer.node.kind in (tree.LIST, tree.SET, tree.TUPLE)


def _judge_words(reference: Reading, answer: Reading, policy: MathPolicy) -> Judgement | None:
    """Answers in words: equal under synonyms, different only when both are short."""
    if not reference.words and not answer.words:
        return None
    first, second = reference.words, answer.words
    if first and second:
        if policy.text == "synonyms":
            first, second = phrase_of(reference), phrase_of(answer)
        if first == second or _squeezed(first) == _squeezed(second):
            return equal(TYPED, f"both say {_short(second)!r}")
        if policy.text == "synonyms" and _predicate(first) == _predicate(second):
            return equal(TYPED, f"both say {_short(second)!r}")
        if ordinal(first) is not None and ordinal(first) == ordinal(second):
            return equal(TYPED, f"both say {_short(second)!r}")
        if is_synonym(reference.words) and is_synonym(answer.words):
            return different(TYPED, f"{_short(second)!r} does not mean {_short(first)!r}")
        if max(len(first.split()), len(second.split())) > _LONG_TEXT:
            return unknown("longer texts are not compared", TYPED)
        if set(first.split()) & set(second.split()) or first in second or second in first:
            return unknown("the texts share words", TYPED)
        return different(TYPED, f"{_short(second)!r} is not {_short(first)!r}")
    words = first or second
    phrase = phrase_of(reference if first else answer)
    other = answer if first else reference
    if phrase in ("yes", "no") and canonical_phrase(other.key.lower()) in ("yes", "no"):
        if canonical_phrase(other.key.lower()) == phrase:
            return equal(TYPED, f"both say {_short(words)!r}")
        return different(TYPED, f"{other.key} does not mean {_short(words)!r}")
    if phrase in VALUELESS and other.node is not None:
        if phrase == "no solution" and other.node.kind == tree.EMPTY_SET:
            return equal(TYPED, "both say that there is no solution")
        return different(TYPED, f"{_short(words)!r} is no value")
    if is_synonym(words) and other.node is not None and number_word(words) is None:
        return different(TYPED, f"{_short(words)!r} is no value")
    return unknown("one is in words, the other is not", TYPED)


def _predicate(words: str) -> str:
    """ "function is even" says "even"; a negation is left alone."""
    head, verb, tail = words.rpartition(" is ")
    if not verb or "not" in words.split() or not tail:
        return words
    return canonical_phrase(tail)


def _squeezed(words: str) -> str:
    return words.replace(" ", "").replace("'", "")


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


class Comparison:
    """One comparison of two trees: the policy, and a bound on its work."""

    def __init__(self, policy: MathPolicy, plus_minus: bool = True) -> None:
        self.policy = policy
        self.plus_minus = plus_minus
        self.remaining = _MAXIMUM_JUDGEMENTS

    def judge(self, reference: Node, answer: Node) -> Judgement:
        """Compare two trees of any kind. Raises LimitExceeded."""
        self.remaining -= 1
        if self.remaining < 0:
            raise LimitExceeded("too many parts to compare")
        if reference == answer:
            return equal(PARSE, "both are the same expression")
        if self.plus_minus:
            reference = groups.expand_plus_minus(reference)
            answer = groups.expand_plus_minus(answer)
        reference, answer, caveat = self._without_conditions(reference, answer)
        if caveat is not None:
            return caveat
        if (
            reference.kind == tree.RELATION
            or answer.kind == tree.RELATION
            or (reference.kind in _COLLECTIONS or answer.kind in _COLLECTIONS)
        ):
            labelled = self._labelled(reference, answer)
            if labelled is not None:
                return labelled
        if is_region(reference) or is_region(answer):
            regions = self._regions(reference, answer)
            if regions is not None:
                return regions
        if reference.kind == tree.RELATION or answer.kind == tree.RELATION:
            return self._relations(reference, answer)
        structured = self._structures(reference, answer)
        if structured is not None:
            return structured
        return judge_scalar(reference, answer, self.policy)

    def _without_conditions(
        self, reference: Node, answer: Node
    ) -> tuple[Node, Node, Judgement | None]:
        """Drop domains, and rename a whole-number parameter that only they introduce."""
        if reference.kind != tree.LIST and answer.kind != tree.LIST:
            return reference, answer, None
        left, whole, conditions = strip_conditions(reference)
        right, answer_whole, answer_conditions = strip_conditions(answer)
        if conditions and answer_conditions:
            both = groups.judge_unordered(conditions, answer_conditions, self.judge, "conditions")
            if not both.equal:
                return reference, answer, both
        elif (conditions or answer_conditions) and not (
            reference.name == "where" or answer.name == "where" or _is_value(left)
        ):
            left, right = reference, answer
        if whole | answer_whole:
            left, right = _align_parameters(left, right, whole, answer_whole)
        return left, right, None

    # Labels.

    def _labelled(self, reference: Node, answer: Node) -> Judgement | None:
        parts, answer_parts = parts_of(reference), parts_of(answer)
        if parts is None and answer_parts is None:
            return None
        if parts is not None and answer_parts is not None:
            return self._both_labelled(parts, answer_parts, reference, answer)
        if self.policy.labels == "required" and parts is not None and len(parts) > 1:
            return unknown("the labels are missing")
        if parts is not None:
            return self._one_labelled(parts, answer, True)
        assert answer_parts is not None
        return self._one_labelled(answer_parts, reference, False)

    def _both_labelled(
        self, parts: list[Part], answer_parts: list[Part], reference: Node, answer: Node
    ) -> Judgement | None:
        points, answer_points = as_points(parts), as_points(answer_parts)
        if points is not None and answer_points is not None:
            if [p.label for p in parts] == [p.label for p in answer_parts]:
                return groups.judge_unordered(points, answer_points, self.judge, "points")
        labels = [part.label for part in parts]
        answer_labels = [part.label for part in answer_parts]
        values = [part.value for part in parts]
        answer_values = [part.value for part in answer_parts]
        if len(set(labels)) == 1 and len(set(answer_labels)) == 1:
            if labels[0] == answer_labels[0] or _same_function(labels[0], answer_labels[0]):
                found = self._values(values, _aligned(reference, answer, answer_values))
                if found.equal is not None or len(parts) > 1:
                    return found
                return self._as_equations(reference, answer) or found
            equations = self._as_equations(reference, answer)
            if equations is not None and (equations.equal or not _constant(values)):
                return equations
            found = self._values(values, answer_values)
            if found.equal:
                if _interchangeable(labels[0], answer_labels[0]):
                    return found
                return unknown(f"{answer_labels[0]} is named instead of {labels[0]}")
            return found
        if sorted(labels) == sorted(answer_labels) and len(set(labels)) == len(labels):
            by_label = dict(zip(answer_labels, answer_values, strict=True))
            ordered = [by_label[label] for label in labels]
            return groups.judge_ordered(values, ordered, self.judge, "parts")
        if sorted(labels) == sorted(answer_labels):
            return self._grouped(parts, answer_parts)
        if len({label.split("_")[0] for label in (*labels, *answer_labels)}) == 1 and (
            len(set(labels)) == 1 or len(set(answer_labels)) == 1
        ):
            return self._values(values, answer_values)  # x_1 = 2, x_2 = 3 and x = 2, 3
        missing = set(labels) - set(answer_labels)
        if missing and set(answer_labels) < set(labels):
            return different(TYPED, f"{', '.join(sorted(missing))} is missing")
        if len(parts) == len(answer_parts):
            found = groups.judge_unordered(values, answer_values, self.judge, "values")
            if found.equal is False:
                return found
        elif set(labels) == set(answer_labels):
            return different(TYPED, f"{len(answer_parts)} parts instead of {len(parts)}")
        return unknown("the parts are named differently")

    def _grouped(self, parts: list[Part], answer_parts: list[Part]) -> Judgement:
        """Labels that repeat: x = 1, y = 2, x = 3, y = 4, as values of each label in order."""
        ordered = [part.value for part in sorted(parts, key=lambda part: part.label)]
        given = [part.value for part in sorted(answer_parts, key=lambda part: part.label)]
        found = groups.judge_ordered(ordered, given, self.judge, "parts")
        return found if found.equal else unknown("repeated labels in another order")

    def _values(self, values: list[Node], answer_values: list[Node]) -> Judgement:
        if len(values) == 1 and len(answer_values) == 1:
            return self.judge(values[0], answer_values[0])
        return groups.judge_unordered(
            groups.distinct(values, self.judge),
            groups.distinct(answer_values, self.judge), self.judge, "values",
        )  # fmt: skip

    def _as_equations(self, reference: Node, answer: Node) -> Judgement | None:
        if (
            reference.kind == tree.RELATION
            and answer.kind == tree.RELATION
            and reference.name == answer.name == "="
            and not any(
                child.kind in (tree.FUNCTION, tree.TEXT, tree.TUPLE)
                for child in (*reference.args, *answer.args)
            )
        ):
            return judge_equations(reference, answer)
        return None

    def _one_labelled(
        self, parts: list[Part], other: Node, labels_in_reference: bool
    ) -> Judgement | None:
        """One side is labelled: `x = 5` against 5, `x = 1, y = 2` against (1, 2)."""

        def ordered(first: list[Node], second: list[Node]) -> Judgement:
            if labels_in_reference:
                return groups.judge_ordered(first, second, self.judge, "parts")
            return groups.judge_ordered(second, first, self.judge, "parts")

        points = as_points(parts)
        if points is not None:
            whole = Node(tree.LIST, tuple(points))
            return self.judge(*((whole, other) if labels_in_reference else (other, whole)))
        values = [part.value for part in parts]
        labels = {part.label for part in parts}
        if len(labels) == 1:
            if len(values) > 1 and other.kind == tree.TUPLE:
                return unknown("the values of one variable, and a tuple")
            if other.kind == tree.RELATION or (is_region(other) and other.kind != tree.SET):
                return None
            value = values[0] if len(values) == 1 else Node(tree.LIST, tuple(values))
            pair = (value, other) if labels_in_reference else (other, value)
            return self.judge(*pair)
        if other.kind == tree.LIST and any(item.kind == tree.RELATION for item in other.args):
            return None
        items = list(other.args) if other.kind in (tree.TUPLE, tree.LIST, tree.SET) else None
        if other.kind == tree.INTERVAL:
            items = list(other.args)
        if items is None:
            if len(values) > 1 and other.kind != tree.RELATION and not is_region(other):
                return different(TYPED, "one value instead of several named parts")
            return None
        found = ordered(values, items)
        if found.equal or len(items) != len(values):
            return found
        by_name = [part.value for part in sorted(parts, key=lambda part: part.label)]
        again = ordered(by_name, items)
        if again.equal:
            return again
        if groups.judge_unordered(values, items, self.judge, "parts").equal:
            if other.kind == tree.TUPLE:
                return different(TYPED, "the parts stand in another order")
            return unknown("the parts are not named and stand in another order")
        return found

    # Regions and relations.

    def _regions(self, reference: Node, answer: Node) -> Judgement | None:
        if tree.EMPTY_SET in (reference.kind, answer.kind):
            other = answer if reference.kind == tree.EMPTY_SET else reference
            if not is_region(other) and other.kind not in (tree.TEXT,):
                return different(TYPED, "one is empty, the other has a value")
        if reference.kind == answer.kind == tree.NUMBER_SET:
            return different(TYPED, "different sets of numbers")
        try:
            return self._compare_regions(region(reference), region(answer))
        except NoRegion as problem:
            if reference.kind == answer.kind and reference.kind in (
                tree.INTERVAL, tree.UNION, tree.INTERSECTION, tree.SET_DIFFERENCE,
            ):  # fmt: skip
                if reference.name != answer.name:
                    return different(TYPED, "the brackets differ")
                return groups.judge_ordered(reference.args, answer.args, self.judge, "ends")
            if reference.kind == answer.kind == tree.SET_BUILDER:
                return self._builders(reference, answer)
            if reference.kind == tree.RELATION and answer.kind == tree.RELATION:
                return None
            as_list = self._plain_bracket(reference, answer)
            if as_list is not None:
                return as_list
            return unknown(f"the sets could not be compared: {problem}")

    def _plain_bracket(self, reference: Node, answer: Node) -> Judgement | None:
        """[1, 2] meant as a vector or a matrix rather than an interval."""
        if tree.MATRIX in (reference.kind, answer.kind) or tree.INTERVAL in (
            reference.kind,
            answer.kind,
        ):
            return self._structures(reference, answer)
        return None

    def _compare_regions(self, reference: Region, answer: Region) -> Judgement:
        if len(reference.pieces) != len(answer.pieces):
            return different(TYPED, "the sets have different pieces")
        stage = TYPED
        for piece, other in zip(reference.pieces, answer.pieces, strict=True):
            if (piece.low_closed, piece.high_closed) != (other.low_closed, other.high_closed):
                return different(TYPED, "an end belongs to one set and not to the other")
            for first, second in ((piece.low, other.low), (piece.high, other.high)):
                found = judge_scalar(first, second, self.policy)
                if found.equal is not True:
                    return found._replace(reason=f"an end of the sets: {found.reason}")
                stage = deeper(stage, found.stage)
        if reference.variable and answer.variable and reference.variable != answer.variable:
            return unknown(f"{answer.variable} is named instead of {reference.variable}")
        return equal(stage, "both are the same set of real numbers")

    def _builders(self, reference: Node, answer: Node) -> Judgement:
        names, answer_names = tree.symbols(reference), tree.symbols(answer)
        extra, answer_extra = names - answer_names, answer_names - names
        if len(extra) == len(answer_extra) == 1:
            answer = tree.substitute(
                answer, next(iter(answer_extra)), tree.symbol(next(iter(extra)))
            )
        found = groups.judge_ordered(reference.args, answer.args, self.judge, "halves")
        if found.equal:
            return found
        return unknown("two sets in set-builder notation that are not written alike")

    def _relations(self, reference: Node, answer: Node) -> Judgement:
        if reference.kind == answer.kind:
            if reference.name == answer.name == "=":
                return judge_equations(reference, answer)
            if len(reference.args) == len(answer.args) == 2:
                return judge_inequalities(reference, answer)
            return unknown("chains of relations that are not written alike")
        if answer.kind == tree.RELATION:
            return self._value_of_relation(answer, reference, True)
        return self._value_of_relation(reference, answer, False)

    def _value_of_relation(self, relation: Node, value: Node, in_answer: bool) -> Judgement:
        """A chain such as 2 + 3 = 5 or x^2 + 1 = 5 against a value."""
        operators = relation.name.split()
        if any(operator not in ("=", "~=") for operator in operators):
            return unknown("a relation instead of a value")
        members = list(relation.args)
        if tree.symbols(members[0]) and not tree.symbols(members[-1]):
            quantity = members[0].kind in (tree.SYMBOL, tree.ABSOLUTE, tree.FUNCTION)
            if not in_answer and len(members) == 2 and not quantity:
                return unknown("an equation in the reference, a value in the answer")
            members = members[1:]
            operators = operators[1:]
        elif named(relation) is None and len(members) == 2 and tree.symbols(members[0]):
            return unknown("an equation instead of a value")
        for first, operator, second in zip(members, operators, members[1:], strict=False):
            if operator == "=":
                link = self.judge(first, second)
                if link.equal is not True:
                    if link.equal is False:
                        return different(TYPED, f"the chain of equations is false: {link.reason}")
                    return unknown("a chain of equations that could not be checked")
        results = []
        for member in members if "~=" in operators else members[-1:]:
            pair = (value, member) if in_answer else (member, value)
            found = self.judge(*pair)
            if found.equal:
                return found
            results.append(found)
        return results[0]

    # Structures.

    def _structures(self, reference: Node, answer: Node) -> Judgement | None:
        if tree.TUPLE in (reference.kind, answer.kind) or tree.MATRIX in (
            reference.kind,
            answer.kind,
        ):
            reference, answer = groups.as_tuple(reference), groups.as_tuple(answer)
        kinds = (reference.kind, answer.kind)
        if tree.MATRIX in kinds or (tree.INTERVAL in kinds and tree.TUPLE not in kinds):
            found = self._matrices(reference, answer)
            if found is not None:
                return found
        if tree.MODULO in kinds:
            return self._congruences(reference, answer)
        if tree.CLOCK in kinds:
            return _judge_clocks(reference, answer)
        if tree.RATIO in kinds:
            return self._ratios(reference, answer)
        if tree.TEXT in kinds:
            return _judge_text_nodes(reference, answer)
        if tree.PIECEWISE in kinds:
            if kinds[0] != kinds[1]:
                return unknown("one is defined by cases, the other is not")
            found = groups.judge_ordered(reference.args, answer.args, self.judge, "cases")
            return found if found.equal else unknown("cases that are not written alike")
        if kinds[0] in _COLLECTIONS or kinds[1] in _COLLECTIONS or tree.TUPLE in kinds:
            return self._collections(reference, answer)
        if tree.INTERVAL in kinds:
            return unknown("an interval instead of a value")
        return None

    def _matrices(self, reference: Node, answer: Node) -> Judgement | None:
        first, second = groups.as_matrix(reference), groups.as_matrix(answer)
        if first is not None and second is not None:
            return groups.judge_matrices(first, second, self.judge)
        matrix, other = (first, answer) if first is not None else (second, reference)
        if matrix is None:
            return None
        items = groups.vector_items(other)
        if other.kind == tree.INTERVAL:
            items = other.args
        column = groups.vector_items(matrix)
        if column is None and len(matrix.args) == 1:
            column = matrix.args[0].args
        if items is not None and column is not None and self.policy.column_is_tuple:
            pair = (column, items) if first is not None else (items, column)
            return groups.judge_ordered(pair[0], pair[1], self.judge, "entries")
        if other.kind in (tree.NUMBER, tree.DECIMAL, tree.SYMBOL):
            return different(TYPED, "one is a matrix, the other is not")
        return unknown("one is a matrix, the other is not")

    def _congruences(self, reference: Node, answer: Node) -> Judgement:
        """x = 3 (mod 7): the modulus must agree, and the residues up to it."""
        if reference.kind != answer.kind:
            return unknown("one is a congruence, the other is not")
        modulus = exact(reference.args[1])
        if modulus is None or modulus != exact(answer.args[1]) or not modulus:
            return different(TYPED, "the moduli differ")
        first, second = reference.args[0], answer.args[0]
        if first.kind == tree.RELATION and second.kind == tree.RELATION:
            if first.args[0] != second.args[0]:
                return unknown("the congruences are about different names")
            first, second = first.args[-1], second.args[-1]
        residue, other = exact(first), exact(second)
        if residue is None or other is None:
            return unknown("the residues are no numbers")
        if (residue - other) % modulus == 0:
            return equal(TYPED, "the same residue class")
        return different(TYPED, "different residue classes")

    def _ratios(self, reference: Node, answer: Node) -> Judgement:
        if reference.kind == answer.kind:
            return groups.judge_ratios(reference, answer, self.judge)
        ratio, other = (reference, answer) if reference.kind == tree.RATIO else (answer, reference)
        if not self.policy.ratio_is_fraction or len(ratio.args) != 2:
            return unknown("one is a ratio, the other is not")
        if other.kind in _COLLECTIONS or other.kind == tree.TUPLE:
            return unknown("one is a ratio, the other is not")
        quotient = Node(tree.DIVIDE, ratio.args)
        if reference.kind == tree.RATIO:
            return self.judge(quotient, answer)
        return self.judge(reference, quotient)

    def _collections(self, reference: Node, answer: Node) -> Judgement:
        if any(child.kind == tree.ELLIPSIS for node in (reference, answer) for child in node.args):
            return groups.judge_ellipsis(reference.args, answer.args, self.judge)
        kinds = {reference.kind, answer.kind}
        if kinds == {tree.TUPLE}:
            return groups.judge_ordered(reference.args, answer.args, self.judge, "coordinates")
        if kinds <= _COLLECTIONS:
            if tree.SET in kinds:
                first = groups.distinct(reference.args, self.judge)
                second = groups.distinct(answer.args, self.judge)
                return groups.judge_unordered(first, second, self.judge, "elements")
            if self.policy.list_order == "as_reference":
                return groups.judge_ordered(reference.args, answer.args, self.judge, "items")
            return groups.judge_unordered(reference.args, answer.args, self.judge, "items")
        if kinds == {tree.LIST, tree.TUPLE}:
            return self._list_and_tuple(reference, answer)
        if kinds == {tree.SET, tree.TUPLE}:
            if "[]" in (reference.name, answer.name):
                return unknown("one is a set, the other a bracketed list")
            return different(TYPED, "one is a set, the other an ordered tuple")
        return self._collection_and_value(reference, answer)

    def _list_and_tuple(self, reference: Node, answer: Node) -> Judgement:
        found = groups.judge_ordered(reference.args, answer.args, self.judge, "items")
        if found.equal is not False or reference.kind == tree.TUPLE:
            return found
        if groups.judge_unordered(reference.args, answer.args, self.judge, "items").equal:
            return unknown("the same values, ordered differently in a tuple")
        return found

    def _collection_and_value(self, reference: Node, answer: Node) -> Judgement:
        collection, value = (
            (reference, answer)
            if reference.kind in _COLLECTIONS or reference.kind == tree.TUPLE
            else (answer, reference)
        )
        if collection.kind in _COLLECTIONS:
            items = groups.distinct(collection.args, self.judge)
            if len(items) == 1 and (collection.kind == tree.SET or collection.name == "pm"):
                pair = (items[0], value) if collection is reference else (value, items[0])
                return self.judge(*pair)
            if collection.name == "where":
                return unknown("a condition is attached")
            return different(TYPED, f"{len(collection.args)} values instead of one")
        return different(TYPED, "one is a tuple, the other a single value")


def _is_value(node: Node) -> bool:
    return node.kind not in (tree.LIST, tree.RELATION)


def _constant(values: list[Node]) -> bool:
    return not any(tree.symbols(value) for value in values)


def _same_function(first: str, second: str) -> bool:
    functions = {"y", "f", "g", "h"}
    return first in functions and second in functions and "y" in (first, second)


def _aligned(reference: Node, answer: Node, values: list[Node]) -> list[Node]:
    """f(t) = t^2 against f(x) = x^2: the answer's argument takes the reference's name."""
    if reference.kind == answer.kind == tree.RELATION:
        left, right = reference.args[0], answer.args[0]
        if left.kind == right.kind == tree.FUNCTION and len(left.args) == len(right.args) == 1:
            old, new = right.args[0], left.args[0]
            if old.kind == new.kind == tree.SYMBOL and old != new:
                return [tree.substitute(value, old.name, new) for value in values]
    return values


def _interchangeable(first: str, second: str) -> bool:
    """A label in words and a letter may name the same thing."""
    return (len(first) > 1) != (len(second) > 1) and (" " in first + second or first[1:].islower())


def _align_parameters(
    reference: Node, answer: Node, whole: frozenset[str], answer_whole: frozenset[str]
) -> tuple[Node, Node]:
    """Give the answer's whole-number parameter the reference's name."""
    names, answer_names = tree.symbols(reference), tree.symbols(answer)
    extra, answer_extra = names - answer_names, answer_names - names
    if len(extra) == len(answer_extra) == 1:
        new, old = next(iter(extra)), next(iter(answer_extra))
        if new in whole or old in answer_whole:
            return reference, tree.substitute(answer, old, tree.symbol(new))
    return reference, answer


def _judge_clocks(reference: Node, answer: Node) -> Judgement:
    first, second = _clock(reference), _clock(answer)
    if first is None or second is None:
        return unknown("one is a time of day, the other is not")
    (minutes, half), (other, other_half) = first, second
    if minutes == other and (half == other_half or not (half and other_half)):
        return equal(NUMERIC, "the same time of day")
    if not (half and other_half) and minutes % 720 == other % 720 and max(minutes, other) < 780:
        return equal(NUMERIC, "the same time of day")
    if not half or not other_half:
        if minutes % 720 == other % 720 and (minutes if not half else other) < 780:
            return equal(NUMERIC, "the same time of day, morning or afternoon left out")
    return different(NUMERIC, "different times of day")


def _clock(node: Node) -> tuple[int, str] | None:
    if node.kind == tree.CLOCK and isinstance(node.number, int):
        return node.number, node.name
    if node.kind == tree.RATIO and len(node.args) == 2:
        hour, minute = node.args[0].number, node.args[1].number
        if isinstance(hour, int) and isinstance(minute, int) and 0 <= hour <= 24 > 0 <= minute < 60:
            return hour * 60 + minute, ""
    if node.kind == tree.NUMBER and isinstance(node.number, int) and 0 < node.number <= 12:
        return node.number * 60, ""
    return None


def _judge_text_nodes(reference: Node, answer: Node) -> Judgement:
    if reference.kind == answer.kind:
        first, second = normal_words(reference.name), normal_words(answer.name)
        if first == second:
            return equal(TYPED, "the same words")
        return different(TYPED, "different words") if first and second else unknown("no words")
    return unknown("one is in words, the other is not")
