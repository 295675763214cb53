"""The words that answers use: functions, names, units, and the other spellings of LaTeX commands."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


CALLS = words(
    """
    abs arccos arcsin arctan binom cbrt ceil cos cosh cot csc deg det exp factorial floor gcd lcm ln log max
    min sec sin sinh sqrt tan tanh
    """
)
GREEK = words(
    """
    Delta Gamma Im Lambda Omega Phi Psi Re Sigma Theta Upsilon Xi alpha bbC bbN bbQ bbR bbZ beta chi delta
    ell emptyset epsilon eta gamma hbar iota kappa lambda mu nu omega phi psi rho sigma tau theta upsilon xi
    zeta
    """
)
MATRICES = words(
    """
    Bmatrix Vmatrix array bmatrix matrix pmatrix smallmatrix vmatrix
    """
)
FUNCTIONS = words(
    """
    abs acos arccos arcsin arctan asin atan binom cbrt cdot ceil cos cosh cot csc deg div exp factorial floor
    frac gcd inf infinity infty lcm lg ln log max min oo pi pm sec sin sinh sqrt tan tanh times
    """
)
UNITS = words(
    """
    cent cents cm dm ft gal gb hr hrs hz in inch inches kcal kg kj km kph kw lb lbs mb mg mi min mins ml
    mm mol mph nm oz pts rs sec sq secs usd yd
    """
)
LETTER_UNITS = frozenset("mgshlLNJWVAKCF")  # in \\text{...} behind a number
INVERSES = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
PERCENT = frozenset(("percent", "percents", "percentage", "pct", "%", "percentage points"))
SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
MONTHS = {
    name[:3]: name
    for name in (
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
        "november", "december",
    )
}  # fmt: skip
BEFORE_NUMBERS = words(
    """
    above at below except half not over quarter root than twice under unless up
    monday tuesday wednesday thursday friday saturday sunday
    """
)
BEHIND_NUMBERS = words("above ad am bc bce below ce east north pm south west")
DEGREES = frozenset(("degree", "degrees", "deg"))
TWO_SIGNS = {"**": "^", "<=": "le", ">=": "ge", "==": "=", "!=": "ne", "...": "ldots"}
BRACES = {"lbrace": "\\{", "rbrace": "\\}", "row": "\\\\"}
ALIASES = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom",
    "oo": "infty", "inf": "infty", "infinity": "infty", "leq": "le", "leqslant": "le", "geq": "ge",
    "geqslant": "ge", "neq": "ne", "lt": "<", "gt": ">", "asin": "arcsin", "acos": "arccos",
    "atan": "arctan", "varnothing": "emptyset", "degree": "circ", "ast": "times", "vert": "|",
    "lvert": "|", "rvert": "|", "colon": ":", "to": "rightarrow", "backslash": "setminus",
    "simeq": "approx", "sim": "approx", "vee": "lor",
    "wedge": "land", "prime": "'", "div": "/", "langle": "(", "rangle": ")", "lbrack": "[", "rbrack": "]",
    "union": "cup", "varphi": "phi", "varepsilon": "epsilon",
}  # fmt: skip
