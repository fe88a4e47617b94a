"""FHIRPath read strictly, at check time: text in, tree out. Nothing is evaluated here (fhir_path.py does that).

The parser is the ANTLR one that fhirpathpy ships. Unlike fhirpathpy we ask for the whole text and take no
syntax error silently. The tree is JSON-able, so that it can rest in a plan. A node is a list that begins with
its kind and its column (characters of the whole text, counted from 1):

    ["member", column, base, name]             base.name; base is None where the expression begins with a name
    ["call", column, base, name, [argument…]]  base.name(argument, …)
    ["name", column, name]                     %name
    ["this", column]  ["position", column]  ["total", column]      $this, $index, $total
    ["literal", column, type, value]           type: String Boolean Integer Decimal Date DateTime Time Quantity
    ["none", column]                           {}
    ["op", column, operator, left, right]      the column of the operator
    ["sign", column, "-", operand]
    ["index", column, base, position]          base[position]
    ["type", column, "is" or "as", base, name] base is name
    ["typename", column, name]                 the argument of ofType(), is(), as()

An expression with anything that fhir_path.py does not compile has a root of its own, ["fallback", 1, text, tree].

Source: FHIRPath N1 (http://hl7.org/fhirpath/N1), chapters 3 to 6 and appendix "Formal Specifications".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from antlr4 import CommonTokenStream, InputStream  # type: ignore[import-untyped]
from antlr4.error.ErrorListener import ErrorListener  # type: ignore[import-untyped]
from fhirpathpy.parser.generated.FHIRPathLexer import FHIRPathLexer
from fhirpathpy.parser.generated.FHIRPathParser import FHIRPathParser

from transformers.fhir_path import is_compiled
from transformers.fhir_path_syntax import PathSyntaxError, Word, check_words, explain, unescape, unreadable

Tree = list[Any]


def parse(text: str) -> Tree:
    """Return the tree of one expression.

    >>> parse("name.family")
    ['member', 6, ['member', 1, None, 'name'], 'family']

    Raises:
        PathSyntaxError: not FHIRPath from the first character to the last; with a sentence and the column.
    """
    words = _words(text)
    check_words(words)
    parser = FHIRPathParser(CommonTokenStream(_lexer(text)))
    parser.removeErrorListeners()
    parser.addErrorListener(_Refuse(text, words))
    whole: Any = parser.entireExpression()  # type: ignore[no-untyped-call]
    tree = _expression(whole.expression())
    return tree if is_compiled(tree) else ["fallback", 1, text, tree]


def names_used(tree: Tree) -> frozenset[str]:
    """Return the names that stand after % in the expression.

    >>> sorted(names_used(parse("%appt.start > %known")))
    ['appt', 'known']
    """
    return frozenset(node[2] for node in _nodes(tree) if node[0] == "name")


def _nodes(tree: Tree) -> Iterator[Tree]:
    if tree and isinstance(tree[0], str) and len(tree) > 1 and isinstance(tree[1], int):
        yield tree
    for part in tree:
        if isinstance(part, list):
            yield from _nodes(part)


class _Refuse(ErrorListener):  # type: ignore[misc]
    """Turns the first error of lexer or parser into a sentence."""

    def __init__(self, text: str, words: list[Word]) -> None:
        self.text = text
        self.words = words

    def syntaxError(self, *given: Any) -> NoReturn:  # noqa: N802 - the name is ANTLR's
        _recognizer, offending, _line, _column, _message, error = given
        if offending is None:
            raise unreadable(self.text, error.startIndex) from None
        raise explain(self.text, self.words, offending.start) from None


def _lexer(text: str) -> Any:
    lexer = FHIRPathLexer(InputStream(text))
    lexer.removeErrorListeners()
    lexer.addErrorListener(_Refuse(text, []))
    return lexer


def _words(text: str) -> list[Word]:
    tokens = _lexer(text).getAllTokens()
    return [Word(t.text, t.start, t.type == FHIRPathLexer.NUMBER) for t in tokens if t.channel == 0]


def _column(ctx: Any) -> int:
    return int(ctx.start.start) + 1


def _expression(ctx: Any) -> Tree:
    kind = type(ctx).__name__.removesuffix("Context")
    if kind in _BINARY:
        left, right = ctx.expression()
        operator = ctx.getChild(1).symbol
        return ["op", operator.start + 1, operator.text, _expression(left), _expression(right)]
    return _EXPRESSIONS[kind](ctx)


def _dotted(ctx: Any) -> Tree:
    return _invocation(ctx.invocation(), _expression(ctx.expression()))


def _indexer(ctx: Any) -> Tree:
    base, position = ctx.expression()
    return ["index", ctx.getChild(1).symbol.start + 1, _expression(base), _expression(position)]


def _sign(ctx: Any) -> Tree:
    return ["sign", _column(ctx), ctx.getChild(0).getText(), _expression(ctx.expression())]


def _type_test(ctx: Any) -> Tree:
    operator = ctx.getChild(1).symbol
    name = ".".join(_identifier(part) for part in ctx.typeSpecifier().qualifiedIdentifier().identifier())
    return ["type", operator.start + 1, operator.text, _expression(ctx.expression()), name]


def _term(ctx: Any) -> Tree:
    term = ctx.term()
    kind = type(term).__name__
    if kind == "InvocationTermContext":
        return _invocation(term.invocation(), None)
    if kind == "LiteralTermContext":
        return _literal(term.literal())
    if kind == "ParenthesizedTermContext":
        return _expression(term.expression())
    constant = term.externalConstant()
    word = constant.identifier()
    name = _identifier(word) if word else unescape(constant.STRING().getText(), _column(constant) + 1)
    return ["name", _column(constant), name]


def _invocation(ctx: Any, base: Tree | None) -> Tree:
    kind = type(ctx).__name__
    column = _column(ctx)
    if kind == "MemberInvocationContext":
        return ["member", column, base, _identifier(ctx.identifier())]
    if kind == "FunctionInvocationContext":
        function = ctx.functn()
        name = _identifier(function.identifier())
        given = function.paramList()
        arguments = [_expression(argument) for argument in given.expression()] if given else []
        if name in {"ofType", "is", "as"} and len(arguments) == 1:
            arguments = [_typename(arguments[0])]
        return ["call", column, base, name, arguments]
    word = ctx.getText()
    if base is not None:
        raise PathSyntaxError(f"'{word}' begins an expression; it cannot stand after a dot", column)
    return [{"$this": "this", "$index": "position", "$total": "total"}[word], column]


def _typename(tree: Tree) -> Tree:
    parts = []
    node: Tree | None = tree
    while node is not None and node[0] == "member":
        parts.append(node[3])
        column = node[1]
        node = node[2]
    if node is not None:
        raise PathSyntaxError("here stands the name of a type, such as Patient, and no other expression", tree[1])
    return ["typename", column, ".".join(reversed(parts))]


def _identifier(ctx: Any) -> str:
    text = str(ctx.getText())
    return unescape(text, _column(ctx)) if text.startswith("`") else text


def _literal(ctx: Any) -> Tree:
    column, text = _column(ctx), str(ctx.getText())
    kind = type(ctx).__name__.removesuffix("LiteralContext")
    if kind == "Null":
        return ["none", column]
    if kind == "Quantity":
        quantity = ctx.quantity()
        return ["literal", column, kind, [quantity.NUMBER().getText(), quantity.unit().getText()]]
    readers: dict[str, Callable[[], tuple[str, Any]]] = {
        "String": lambda: ("String", unescape(text, column)),
        "Boolean": lambda: ("Boolean", text == "true"),
        "Number": lambda: ("Decimal", text) if "." in text else ("Integer", int(text)),
        "DateTime": lambda: ("DateTime" if "T" in text else "Date", text[1:]),
        "Time": lambda: ("Time", text[2:]),
    }
    return ["literal", column, *readers[kind]()]


_BINARY = frozenset(
    f"{kind}Expression"
    for kind in (
        "Multiplicative",
        "Additive",
        "Union",
        "Inequality",
        "Equality",
        "Membership",
        "And",
        "Or",
        "Implies",
    )
)
_EXPRESSIONS: dict[str, Callable[[Any], Tree]] = {
    "TermExpression": _term,
    "InvocationExpression": _dotted,
    "IndexerExpression": _indexer,
    "PolarityExpression": _sign,
    "TypeExpression": _type_test,
}
