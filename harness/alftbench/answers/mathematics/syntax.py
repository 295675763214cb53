r"""One side of an answer read to a tree: arithmetic, roots, functions, matrices, brackets.

Nodes are tuples: ("num", Fraction), ("sym", name), ("const", name), ("+", …), ("*", …), ("^", a, b),
("f", name, …), ("det", matrix), ("deg", a), ("pct", a), ("base", digits, base), ("matrix", rows),
("seq", open, close, items).
The reader is a recursive descent of bounded depth over a bounded number of tokens: it ends on every text, and
nothing is ever evaluated as code.
"""

from __future__ import annotations

from fractions import Fraction

from alftbench.answers.mathematics.brackets import COMMAS, MAX_DEPTH, OPEN, Unreadable, depth_step, split
from alftbench.answers.mathematics.budget import spend
from alftbench.answers.mathematics.cursor import (
    MINUS,
    Cursor,
    Node,
    Tokens,
    applied_to,
    is_differential,
    negated,
    product_of,
    proper,
    subscript,
)
from alftbench.answers.mathematics.vocabulary import CALLS, DEGREES, GREEK, INVERSES, MATRICES, PERCENT, SCALES

FACTORS = CALLS | GREEK | {"frac", "pi", "infty", "lfloor", "lceil", "lg"}  # commands that begin a factor
APPLIED = frozenset("fghFGH")  # names that are functions where a bracket follows
MAX_MARKS = 6  # powers, factorials and primes behind one base


def read(tokens: Tokens, depth: int = 0) -> Node:
    """The tree of an expression that takes up all of `tokens`.

    Raises:
        Unreadable: it is none, or too deep.
    """
    spend(len(tokens) >> 2)
    reader = Reader(tokens, depth)
    node = reader.sum()
    if reader.at < len(reader.tokens):
        raise Unreadable
    return node


class Reader(Cursor):
    """A reader of one expression."""

    def sum(self) -> Node:
        """Terms with + and − between them."""
        terms = [self.signed()]
        while self.peek() in (("op", "+"), ("op", "-")):
            terms.append(self.signed())
        return terms[0] if len(terms) == 1 else ("+", *terms)

    def signed(self) -> Node:
        """A term with its signs; the sign goes inside of % and °."""
        sign = self.signs()
        term = self.product()
        if term[0] in ("pct", "deg"):
            return (term[0], negated(term[1], sign))
        return negated(term, sign)

    def signed_factor(self) -> Node:
        """A factor with its signs: the −3 of 2 · −3."""
        sign = self.signs()
        return negated(self.factor(), sign)

    def product(self) -> Node:
        """Factors with ×, ÷ or nothing between them; a unit may follow."""
        while self.peek()[0] == "text" and self.at + 1 < len(self.tokens):
            self.at += 1  # words that lead in
        self.start = self.at
        factors = [self.factor()]
        while self.peek()[0] != "text" and self.next_factor(factors):
            pass
        value = product_of(factors)
        if self.accept(("op", "%")):
            return ("pct", value)  # of a mixed number
        return self.measured(value) if self.peek()[0] == "text" else value

    def next_factor(self, factors: list[Node]) -> bool:
        """Read on by one factor; False where the product ends."""
        literal = self.at - self.start == 1 and self.tokens[self.start][0] == "num"
        if literal and self.peek() in (("cmd", "frac"), ("space", " ")) and self.whole_before():
            return self.mixed(factors)
        if self.peek() == ("space", " ") and not literal:
            self.take()
        times = self.accept(("op", "*"), ("cmd", "cdot"), ("cmd", "times"))
        over = not times and self.accept(("op", "/"))
        if over and self.peek()[0] == "text":
            self.unit()
            return True
        self.start = self.at
        if times or over:
            factor = self.signed_factor()
            if over and is_differential(factor) and any(map(is_differential, factors)):
                raise Unreadable
            factors.append(("^", factor, MINUS) if over else factor)
            return True
        if self.starts_factor() and not (literal and self.peek()[0] == "num"):
            factors.append(self.factor())
            return True
        return False

    def whole_before(self) -> bool:
        """Whether the number just read is whole."""
        return bool(self.tokens[self.at - 1][1].denominator == 1)

    def mixed(self, factors: list[Node]) -> bool:
        r"""Read on behind a whole number: by the fraction of a mixed number, as in 3 1/2, or by another \frac."""
        if self.peek()[0] == "space":
            top, over, bottom = [*self.tokens[self.at + 1 : self.at + 4], ("end", ""), ("end", "")][:3]
            part = proper(top, bottom) if over == ("op", "/") else None
            self.at += 4 if part else 0
        else:
            start, node = self.at, self.base()
            part = proper(node[1], node[2][1])
            if part is None:
                self.start = start
                factors.append(self.with_marks(node))
                return True
        if part:
            factors[-1] = ("+", factors[-1], part)
        return part is not None

    def starts_factor(self) -> bool:
        """Whether a factor may follow without a sign."""
        kind, value = self.peek()
        if kind == "op":
            return value in ("(", "[", "{") or (value == "|" and not self.bars)
        return kind in ("num", "sym", "env") or (kind == "cmd" and value in FACTORS)

    def measured(self, value: Node) -> Node:
        """A value with the unit behind it: % and degrees are kept, other units are dropped."""
        word = str(self.peek()[1]).lower()
        self.unit()
        if word in SCALES:
            value = ("*", value, ("num", Fraction(SCALES[word])))
        while self.at < len(self.tokens):
            if self.peek()[0] == "text" or (self.peek() == ("op", "/") and self.at + 1 < len(self.tokens)):
                self.unit()
            elif (
                self.peek() == ("sym", "s")
                or self.peek() == ("op", ".")
                or (self.peek()[0] == "sym" and self.at + 1 == len(self.tokens))
            ):
                self.take()
            else:
                break
        if word in PERCENT:
            return ("pct", value)
        return ("deg", value) if word in DEGREES else value

    def unit(self) -> None:
        """Pass over one word of a unit, with its power."""
        self.accept(("op", "/"))
        self.accept(("op", "("))
        if self.take()[0] not in ("text", "sym"):
            raise Unreadable
        if self.accept(("op", "^")):
            self.accept(("op", "-"))
            self.argument()
        self.accept(("op", ")"))

    def factor(self) -> Node:
        """A base with the powers, factorials, %, ° and the index behind it."""
        return self.with_marks(self.base())

    def with_marks(self, node: Node) -> Node:
        """A base with the marks behind it."""
        for _ in range(MAX_MARKS):
            marked = self.marked(node)
            if marked is None:
                return node
            node = marked
        raise Unreadable

    def marked(self, node: Node) -> Node | None:
        """A node with the mark that follows; None where none does."""
        if self.accept(("op", "^")):
            if self.accept(("cmd", "circ"), ("cmd", "ast")):
                return ("deg", node)
            return ("^", node, self.exponent())
        if self.accept(("op", "!")):
            return ("f", "factorial", node)
        if self.accept(("op", "%")):
            return ("pct", node)
        if self.accept(("cmd", "circ")):
            return ("deg", node)
        if self.peek() == ("op", "_") and node[0] == "num" and node[1].denominator == 1:
            self.take()
            base = self.argument()
            if base[0] != "num":
                raise Unreadable
            return ("base", str(node[1]), str(base[1]))
        return None

    def exponent(self) -> Node:
        """What stands behind ^; a tower is read from the top."""
        sign = self.signs()
        value = self.argument()
        if self.peek() == ("op", "^"):
            self.nested += 1
            if self.depth + self.nested > MAX_DEPTH:
                raise Unreadable
            self.take()
            value = ("^", value, self.exponent())
            self.nested -= 1
        return negated(value, sign)

    def argument(self, digits: bool = False) -> Node:
        """What a command or ^ takes: a group in braces, or one token (one digit where `digits`)."""
        kind, value = self.peek()
        if (kind, value) in (("op", "{"), ("op", "(")):
            return self.group()
        if kind == "num" and digits and value.denominator == 1 and value >= 10:
            first, rest = str(value)[0], str(value)[1:]
            self.tokens[self.at : self.at + 1] = [("num", Fraction(first)), ("num", Fraction(rest))]
            return self.base()
        if kind in ("num", "sym", "cmd"):
            return self.base()
        raise Unreadable

    def group(self) -> Node:
        """A bracket: an expression in brackets, or a sequence where commas stand in it."""
        start = self.at
        opening = str(self.take()[1])
        depth = 1
        while depth and self.at < len(self.tokens):
            depth += depth_step(self.take())
        if depth:
            raise Unreadable
        inner, closing = self.tokens[start + 1 : self.at - 1], str(self.tokens[self.at - 1][1])
        parts = split(inner, COMMAS)
        if len(parts) == 1 and opening != "\\{":
            if (opening, closing) not in (("(", ")"), ("[", "]"), ("{", "}")):
                raise Unreadable
            return read(inner, self.depth + self.nested)
        return ("seq", opening, closing, tuple(tuple(part) for part in parts))

    def base(self) -> Node:
        """A number, a name, a bracket, a command: whatever nests, nests through here."""
        self.nested += 1
        if self.depth + self.nested > MAX_DEPTH:
            raise Unreadable
        node = self.unnested_base()
        self.nested -= 1
        return node

    def unnested_base(self) -> Node:
        """`base` at a depth that is allowed."""
        spend()
        kind, value = self.peek()
        if kind == "num":
            self.take()
            return ("num", value)
        if kind == "sym":
            return self.symbol()
        if kind == "op" and value in OPEN:
            return self.group()
        if kind == "op" and value == "|":
            return self.absolute()
        if kind == "env":
            return self.matrix()
        if kind == "cmd":
            return self.command()
        raise Unreadable

    def symbol(self) -> Node:
        """A name with its subscript and primes; e and i are the numbers."""
        name = str(self.take()[1])
        while self.peek() in (("op", "_"), ("op", "'")):
            name += str(self.take()[1])
            if name.endswith("_"):
                name += subscript(self)
        if name in ("e", "i"):
            return ("const", name)
        if self.peek() == ("op", "(") and (name[0] in APPLIED or name.endswith("'")):
            name += applied_to(self)
        return ("sym", name)

    def absolute(self) -> Node:
        """|a|."""
        self.take()
        self.bars += 1
        inner = self.sum()
        self.bars -= 1
        if not self.accept(("op", "|")):
            raise Unreadable
        return ("f", "abs", inner)

    def command(self) -> Node:
        """A LaTeX command or the name of a function, with what it takes."""
        name = str(self.take()[1])
        if name in ("pi", "infty"):
            return ("const", name)
        if name == "frac":
            return self.ratio()
        if name in ("lfloor", "lceil"):
            inner = self.sum()
            if not self.accept(("cmd", "r" + name[1:])):
                raise Unreadable
            return ("f", "floor" if name == "lfloor" else "ceil", inner)
        if name == "lg":
            return self.call("log")
        if name in CALLS:
            return self.call(name)
        if name in GREEK:
            self.at -= 1
            self.tokens[self.at] = ("sym", "\\" + name)
            return self.symbol()
        raise Unreadable

    def ratio(self) -> Node:
        r"""What \frac takes."""
        top, bottom = self.argument(digits=True), self.argument(digits=True)
        if is_differential(top) and is_differential(bottom):
            raise Unreadable
        return product_of([top, ("^", bottom, MINUS)])

    def call(self, name: str) -> Node:
        """A function with its index, power and arguments, as in log_2 8 and sin^2 x."""
        if name == "sqrt":
            return self.root()
        if name == "binom":
            if self.peek() == ("op", "("):
                return self.applied(name)
            return ("f", "binom", self.argument(digits=True), self.argument(digits=True))
        index = self.argument() if self.accept(("op", "_")) else None
        power = self.exponent() if self.accept(("op", "^")) else None
        if power == negated(("num", Fraction(1)), -1):
            name, power = INVERSES.get(name, ""), None
        if not name:
            raise Unreadable
        node = self.applied(name)
        if index is not None:
            if name != "log":
                raise Unreadable
            node = ("f", "log", node[2], index)
        return ("^", node, power) if power else node

    def applied(self, name: str) -> Node:
        """A function on its arguments, in brackets or bare."""
        if self.peek() == ("op", "("):
            inner = self.group()
            if inner[0] == "seq":
                return ("f", name, *(read(part, self.depth + self.nested) for part in inner[3]))
            return ("f", name, inner)
        return ("f", name, self.bare_argument())

    def bare_argument(self) -> Node:
        """The argument of a function written without brackets, as in sin 2x."""
        factors = [self.signed_factor()]
        while self.starts_factor() and self.peek()[1] not in CALLS:
            factors.append(self.factor())
        if self.peek() == ("op", "/") and all(f[0] in ("num", "const") for f in factors):
            self.take()
            factors.append(("^", self.factor(), MINUS))
        return product_of(factors)

    def root(self) -> Node:
        """A root, with the degree in square brackets."""
        index: Node = ("num", Fraction(2))
        if self.accept(("op", "[")):
            inner = []
            while self.peek()[0] != "end" and self.peek() != ("op", "]"):
                inner.append(self.take())
            self.take()
            index = read(inner, self.depth + self.nested)
        return ("f", "root", self.argument(), index)

    def matrix(self) -> Node:
        """A matrix, or a determinant."""
        action, name = self.take()[1]
        if action != "begin" or name not in MATRICES:
            raise Unreadable
        start, depth = self.at, 1
        while depth and self.at < len(self.tokens):
            depth += depth_step(self.take())
        if depth:
            raise Unreadable
        rows = [row for row in split(self.tokens[start : self.at - 1], frozenset({("op", "\\\\")})) if row]
        cells = tuple(tuple(tuple(c) for c in split(row, frozenset({("op", "&")}))) for row in rows)
        nodes = tuple(tuple(read(cell, self.depth + self.nested) for cell in row) for row in cells)
        if not nodes or len({len(row) for row in nodes}) != 1:
            raise Unreadable
        return ("det", ("matrix", nodes)) if name == "vmatrix" else ("matrix", nodes)
