"""Numbers in words, as digits: negative five dozen is -60, two and a half 5/2, 3 lakh 300000, half of 12 is 6."""

from __future__ import annotations

import re
from fractions import Fraction

from alftbench.answers.mathematics.vocabulary import CARDINALS, FUNCTIONS, ONES, SCALES, SIGNS, SPELLED, TENS

IRREGULAR = {
    "two": "half",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
PART = {IRREGULAR.get(name, f"{name}th"): value for name, value in ONES.items() if value > 1}
PART |= {f"{name[:-1]}ieth": value for name, value in TENS.items()} | {"quarter": 4}
PART |= {f"{name}th": value for name, value in SCALES.items() if value != 12 and not name.endswith("s")}
PARTS = {"halves": 2} | {f"{name}s": value for name, value in PART.items() if value > 2}
ORDINALS = {**PART, "second": 2}
MAX_EXPONENT = 64
POWERS = {"squared": 2, "cubed": 3}
SPOKEN = CARDINALS | SCALES.keys() | PART.keys() | PARTS.keys()  # words that leave no doubt
SIGN = "|".join(sorted(SIGNS, key=len, reverse=True))
ITEM = re.compile(
    rf"\s*(?:(?P<digits>\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+(?:\.\d+)?(?:/\d+)?)|(?P<word>{SIGN}|[^\W\d_]+)|(?P<minus>-))",
    re.IGNORECASE,
)
JOINT = re.compile(r"(?<=[^\W\d_])[-‐‑](?=[^\W_])|(?<=\d)-(?=[^\W\d_]{2})")  # five-sixths, 5-dozen
REPEATED = re.compile(r"([^()]+)\(([^()]+)\)\s*")  # seven (7)
ROOT = re.compile(
    r"(?:the\s+)?(?:square\s+|(cube\s+))?root\s+(?:of\s+)?(\d[\d.,]*|[a-zA-Z-]+)", re.IGNORECASE
)  # the square root of two
MAX_ITEMS = 30
Item = str | Fraction


def in_digits(text: str) -> str | None:
    """A text with the number in words that it begins with as digits; None where none does, or what is unclear."""
    twice = REPEATED.fullmatch(text)
    if twice:
        first, again = ((in_digits(part) or part).strip() for part in twice.groups())
        return first if first == again else None
    items, ends = split_up(JOINT.sub(" ", text))
    reader = Numeral(items)
    value = reader.signed()
    said = [item for item in items[: reader.at] if isinstance(item, str) and item != "-"]
    if value is None or not said or reader.doubtful():
        return None
    return f"{value}{text[ends[reader.at - 1] :]}"


def root_in_words(text: str) -> str | None:
    """The root of a number or a letter in LaTeX: root 2, the cube root of ten; None of other words."""
    match = ROOT.fullmatch(text)
    if match is None:
        return None
    number = in_digits(match[2]) or match[2]
    return rf"\sqrt[{3 if match[1] else 2}]{{{number}}}" if len(number) == 1 or number[0].isdigit() else None


def split_up(text: str) -> tuple[list[Item], list[int]]:
    """The numbers and words that a text begins with, and where each ends."""
    items: list[Item] = []
    ends: list[int] = []
    at = 0
    while len(items) < MAX_ITEMS:
        match = ITEM.match(text, at)
        if match is None:
            break
        if match["digits"]:
            whole, _, below = match["digits"].replace(",", "").partition("/")
            if below and not int(below):
                break
            items.append(Fraction(whole) / (int(below) if below else 1))
        else:
            items.append(match[match.lastgroup or 0].lower())
        at = match.end()
        ends.append(at)
    return items, ends


class Numeral:
    """A reader of one number from words."""

    def __init__(self, items: list[Item]) -> None:
        self.items, self.at = items, 0

    def next(self, ahead: int = 0) -> Item:
        """The item that follows, or the one `ahead` of it; "" at the end."""
        return self.items[self.at + ahead] if self.at + ahead < len(self.items) else ""

    def accept(self, *wanted: str) -> bool:
        """Pass over the next item if it is one of these words."""
        found = self.next() in wanted
        self.at += found
        return found

    def doubtful(self) -> bool:
        """Whether what follows would belong to the number, if it were said plainly."""
        item, then = self.next(), self.next(1)
        if item == "and":
            item = then if then not in ("a", "an") else self.next(2)
        return isinstance(item, Fraction) or item in SPOKEN or item in SIGNS or item in POWERS or item == "point"

    def signed(self) -> Fraction | None:
        """A quantity with its sign."""
        start, sign = self.at, 1
        while self.next() == "-" or self.next() in SIGNS:
            sign, self.at = -sign, self.at + 1
        value = self.quantity()
        if value is not None and self.next() in POWERS and sign > 0 and self.at > start:
            return value ** POWERS[str(self.items[self.at - 1])] if self.accept(*POWERS) else None
        if value is not None and sign > 0:
            value = self.over(self.raised(value))
        return None if value is None else sign * value

    def raised(self, base: Fraction) -> Fraction:
        """A power in words: 2 to the power of ten, 2 to the 10th; the base where none follows, or a large one."""
        start, exponent = self.at, None
        if self.accept("to") and self.accept("the"):
            if self.accept("power"):
                self.accept("of")
                exponent = self.whole()
            else:
                exponent = self.ordinal()
                self.accept("power")
        if exponent is None or exponent.denominator > 1 or exponent > MAX_EXPONENT or abs(base.numerator) > 10**6:
            self.at = start
            return base
        return base ** int(exponent)

    def ordinal(self) -> Fraction | None:
        """An ordinal: tenth, 10th."""
        item = self.next()
        if isinstance(item, Fraction) and self.next(1) in ("st", "nd", "rd", "th", "power"):
            self.at += 2 if self.next(1) != "power" else 1
            return item
        if item not in ORDINALS:
            return None
        self.at += 1
        return Fraction(ORDINALS[str(item)])

    def over(self, top: Fraction) -> Fraction:
        """A fraction of two numbers, if nothing follows: one over two."""
        start = self.at
        bottom = self.whole() if self.accept("over") else None
        if bottom and self.next() == "":
            return top / bottom
        self.at = start
        return top

    def quantity(self) -> Fraction | None:
        """A number with its parts and scales: two and a half dozen, half a million, two thirds of 12."""
        literal = isinstance(self.next(), Fraction)
        value = self.whole()
        if value is None:
            return None
        part = self.part(value, literal)
        if part is not None:
            return self.share(part)
        if (self.next() == "and" and not literal | (value.denominator > 1)) or (
            literal and self.next() == "and" and self.next(1) in ("a", "an", "one")
        ):
            value += self.behind_and()
        if self.accept("point"):
            return self.decimals(value)
        return self.scaled(value)

    def whole(self) -> Fraction | None:
        """Digits, a cardinal, or the one that a half, a dozen and a hundred begin with."""
        item = self.next()
        if isinstance(item, Fraction):
            self.at += 1
            return item
        if item in ("a", "an") and (self.next(1) in SCALES or self.next(1) in PART):
            self.at += 1
            return Fraction(1) if self.next() in PART or self.next() in ("dozen", "dozens") else self.cardinal(1)
        if item == "half" or item in ("dozen", "hundred", "thousand", "million"):
            return Fraction(1)
        return self.cardinal(None)

    def cardinal(self, below: int | None) -> Fraction | None:
        """A cardinal: scales fall from left to right, "and" may stand behind hundred and larger ones."""
        total, last = 0, 10**15
        while True:
            item = self.next()
            if item in TENS and (below is None or (below and below % 100 == 0)):
                below = (below or 0) + TENS[str(item)]
            elif item in ONES and (
                below is None or (below and below % 100 == 0) or self.after_tens(str(item), below)
            ):
                below = (below or 0) + ONES[str(item)]
            elif item == "hundred" and below is not None and 0 < below < 100:
                below *= 100
            elif item in SCALES and SCALES[str(item)] > 100 and below and SCALES[str(item)] < last:
                last = SCALES[str(item)]
                total, below = total + below * last, None
            elif item == "and" and (total or (below or 0) >= 100) and self.joins():
                pass
            else:
                break
            self.at += 1
        return None if below is None and not total else Fraction(total + (below or 0))

    def after_tens(self, item: str, below: int) -> bool:
        """Whether a digit may follow: twenty one."""
        return self.items[self.at - 1] in TENS and 0 < ONES[item] < 10 and below % 10 == 0

    def joins(self) -> bool:
        """Whether "and" stands inside of a cardinal: one hundred and two, not one hundred and two thirds."""
        words = [self.next(1), self.next(2), self.next(3)]
        return (words[0] in ONES or words[0] in TENS) and not any(w in PART or w in PARTS for w in words[1:])

    def part(self, value: Fraction, literal: bool) -> Fraction | None:
        """A fraction: one half, five sixths, 5 tenths; three quarters in digits may be coins."""
        item = self.next()
        if value == 1 and item in PART:
            below = PART[str(item)]
        elif value != 1 and value.denominator == 1 and item in PARTS:
            below = PARTS[str(item)]
        else:
            return None
        if (literal and below == 4) or (self.at and self.items[self.at - 1] in TENS and below < 10):
            return None
        self.at += 1
        return value / below

    def behind_and(self) -> Fraction:
        """The part of a mixed number: … and a half; 0 where none follows."""
        start, self.at = self.at, self.at + 1
        whole = self.whole()
        part = self.part(whole, False) if whole is not None else None
        if part is None or not 0 < part < 1:
            self.at = start
            return Fraction(0)
        return part

    def share(self, part: Fraction) -> Fraction | None:
        """A fraction, or one of something: half of 12, half a million, a quarter of a dozen."""
        if self.accept("of"):
            self.accept("the")
            whole = self.quantity()
            if whole is None and self.next() in ("a", "an"):
                self.at += 1
            return part * whole if whole is not None else part if self.at_noun() else None
        if self.next() in ("a", "an") and self.next(1) in SCALES:
            self.at += 1
        return self.scaled(part)

    def at_noun(self) -> bool:
        """Whether a word stands next that is no number and no name in formulas: of a mile."""
        item = self.next()
        return isinstance(item, str) and len(item) > 2 and item not in SPOKEN | SIGNS | SPELLED | FUNCTIONS

    def decimals(self, whole: Fraction) -> Fraction | None:
        """Digits in words behind "point"."""
        written = ""
        while self.next() in ONES and ONES[str(self.next())] < 10:
            written += str(ONES[str(self.next())])
            self.at += 1
        return self.scaled(whole + Fraction(int(written), 10 ** len(written))) if written else None

    def scaled(self, value: Fraction) -> Fraction:
        """A number with the scales behind it: 2.5 million, 3 hundred thousand, five dozen."""
        while self.next() in SCALES:
            value *= SCALES[str(self.next())]
            self.at += 1
        return value
