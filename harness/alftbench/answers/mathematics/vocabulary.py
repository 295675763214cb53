"""The words that answers use: functions, names, units, and the other spellings of LaTeX commands.

The sets behind `SIGNS` hold the words that change what a value says; qualifying.py tells where they do.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


CALLS = words(
    """
    abs arccos arccosh arccot arccoth arccsc arccsch arcsec arcsech arcsin arcsinh arctan arctanh binom cbrt
    ceil cos cosh cot coth csc csch deg det exp factorial floor gcd lcm ln log max min sec sech sin sinh sqrt
    tan tanh
    """
)
GREEK = words(
    """
    Delta Gamma Im Lambda Omega Phi Psi Re Sigma Theta Upsilon Xi alpha bbC bbN bbQ bbR bbZ beta chi delta ell
    emptyset epsilon eta gamma hbar iota kappa lambda mu nu omega phi psi rho sigma tau theta upsilon xi zeta
    """
)
MATRICES = words(
    """
    Bmatrix Vmatrix array bmatrix matrix pmatrix smallmatrix vmatrix
    """
)
SPELLED = GREEK - words("Im Re bbC bbN bbQ bbR bbZ ell emptyset hbar")  # that a text names without a backslash
INVERSES = {
    name: f"arc{name}" for name in words("sin cos tan sec csc cot sinh cosh tanh sech csch coth")
}  # fmt: skip
INVERTED = {
    **{f"a{name}": inverse for name, inverse in INVERSES.items()},
    **{f"ar{name}": inverse for name, inverse in INVERSES.items() if name.endswith("h")},
}  # asin, arsinh
FUNCTIONS = (CALLS - {"det"}) | INVERTED.keys() | words("cdot div frac inf infinity infty lg oo pi pm times")
UNITS = words(
    """
    cent cents cm dm ft gal gb hr hrs hz in inch inches kcal kg kj km kph kw lb lbs mb mg mi min mins ml mm mol
    mph nm oz pts rs sec sq secs usd yd
    """
)
LETTER_UNITS = frozenset("mgshlLNJWVAKCF")  # in \\text{...} behind a number
PERCENT = frozenset(("percent", "percents", "percentage", "pct", "%", "percentage points"))
SCALES = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "dozen": 12, "lakh": 10**5, "lac": 10**5, "crore": 10**7,
}  # fmt: skip
SCALES |= {f"{name}s": scale for name, scale in SCALES.items()}
MONTHS = {
    name[:3]: name
    for name in (
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
        "november", "december",
    )
}  # fmt: skip
SIGNS = words("minus negative moins menos meno минус отрицательное hasi 负 負 マイナス")
COUNTED = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
ONES = {name: value for value, name in enumerate(f"{COUNTED} seventeen eighteen nineteen".split())}
TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
CARDINALS = frozenset(ONES | TENS)
DENIALS = words(
    """
    not no never neither nor none non nope nowhere cannot cant isnt arent wasnt dont doesnt didnt wont except
    excepting excluding excludes barring without hardly scarcely barely other wrong wrongly incorrect
    incorrectly false falsely mistaken mistakenly mistake error invalid impossible untrue erroneous rejected
    fails unlikely rather unequal else nicht kein keine niemals nie pas jamais aucun ne nunca jamás ningún не
    нет никогда nobody nothing ikke inte ingen dan außer ausser sauf hors salvo excepto tranne behalve utom
    unless nej nem tidak tak hindi nahi nahin não bukan değil geen niet ليس ليست si hapana sio siyo falsch
    falsche falso faux
    fausse incorrecto incorrecta неверно
    """
)
MULTIPLES = words(
    """
    half halve halves halved quarter quarters quartered double doubles doubled doubling twice triple triples
    tripled thrice treble trebled quadruple semi demi hemi bi multiple multiples fold folds gross score scores
    pair pairs couple couples brace grosses kilo mega giga myriad myriads hundred hundreds thousand thousands
    doppelt doppelte halb halbe hälfte doble mitad medio media moitié veces fois половина дважды nusu dutzend
    docena docenas douzaine douzaines дюжина дюжин дюжины tausend hundert mil cien cientos mille cent тысяч
    тысячи тысяча elfu mia milioni laki
    """
)
OPERATIONS = words(
    """
    squared cubed square cube squares cubes root roots reciprocal reciprocals inverse inverted factorial power
    powers exponent raised plus minus negative negated negation negatively neg opposite multiplied divided
    modulo mod modulus log logarithm logarithms exponential sine cosine tangent derivative integral complement
    conjugate successor predecessor increased decreased reduced lowered subtracted added remainder remainders
    carré cuadrado quadrat quadriert hoch kehrwert inverso opposé opuesto wurzel raíz racine negativ negativo
    negativa négatif négative
    """
)
LIMITS = words(
    """
    least most close near against below above under beneath underneath beyond over between within outside
    nearly almost up until
    till past exceed exceeds exceeding surpasses after before following preceding next previous upwards upward
    downwards off besides anti ex sub super quasi pseudo d'ici from o'clock mindestens höchstens unter über fast
    presque casi entre zwischen более менее
    """
)
COMPARATIVES = words(
    """
    more less fewer greater smaller larger bigger higher lower lesser better worse further weniger mehr más
    menor mayor plus moins больше меньше
    """
)
COUNTS = words(
    """
    tens duos trios quartets quintets sextets grand ish ppm ppb permille nano micro milli centi deci deca hecto
    tera peta
    """
)  # behind a value only: the grand total, the tens digit
BASES = words("base binary octal hex hexadecimal ternary quaternary quinary senary unary duodecimal radix basis")
WEEKDAYS = words("monday tuesday wednesday thursday friday saturday sunday")
ERAS = words("ad bc bce ce pm am")
DIRECTIONS = words("east north south west northeast northwest southeast southwest")
LENGTHS = words(
    """
    unit units foot feet ft inch inches in yard yards yd meter meters metre metres m cm mm km centimeter
    centimeters centimetre centimetres kilometer kilometers kilometre kilometres millimeter millimeters
    millimetre millimetres mile miles mi
    """
)  # behind square and cubic
# Words of scripts without spaces, or with marks that are no letters: a text ends, or goes on, with them
STUCK_AHEAD = (
    *("负", "負", "零下", "マイナス", "半", "小于", "大于", "少于", "多于"),
    *("至少", "至多", "超过", "超過", "不到", "倍的", "倍於", "倍于", "不"),
    *("মাইনাস", "ঋণাত্মক", "ลบ", "ไม่ใช่", "ไม่", "ครึ่ง", "మైనస్", "ऋण", "माइनस"),
)
STUCK_BEHIND = (
    *"万萬億亿千百兆打倍半割",
    *(
        "ではない",
        "ではありません",
        "じゃない",
        "ではなく",
        "不是",
        "不对",
        "不對",
        "错",
        "錯",
        "是错",
        "是錯",
        "は間違",
        "は誤",
        "가 아니",
        "이 아니",
        "未満",
        "以上",
        "以下",
    ),
    *("নয়", "না", "লাখ", "লক্ষ", "কোটি", "হাজার", "শত", "डज़न", "दर्जन", "लाख", "करोड़", "हज़ार", "हजार", "नहीं"),
    *("พัน", "หมื่น", "แสน", "ล้าน", "ร้อย", "โหล", "ไม่ใช่", "వేల", "లక్ష", "కోటి", "వంద", "డజ", "కాదు"),
)
QUANTITIES = words(
    """
    total sum value amount number quantity length width height depth area volume perimeter circumference radius
    diameter distance speed rate velocity acceleration cost price profit revenue income salary average mean median
    mode range difference product quotient probability chance odds weight mass age time duration period temperature
    angle measure slope ratio score grade balance budget fee discount increase decrease majority minimum maximum
    loss gain savings payment change count rest remainder coefficient degree determinant rank dimension sequence
    interval domain energy force power capacity percentage share fraction bill tip tax payment wage debt
    """
)  # that may be of a value: a total of 5
ADVERBS = words(
    """
    precisely exactly approximately roughly only simply finally clearly obviously ultimately certainly definitely
    surely possibly probably consequently accordingly evidently actually really merely fully totally
    """
)
LEADS = words(
    """
    is are was were equals equal equaling gives give gave yields makes made make so thus hence therefore then about
    approximately approx around roughly exactly only just answer answers result results solution solutions value
    values final correct right point points vertex vertices center centre coordinates coordinate interval
    ordered pair
    pairs set vector midpoint intersection focus foci at and or where on lies it its it's they these that this here
    costs cost earns has have had needs need gets get got were we he she i there step ans usd eur gbp rs inr
    cad aud
    option choice part case day page year age chapter route room question problem maybe perhaps possibly overall
    altogether together all yes ok okay sure well finally und y et e i'd approximate day days week no. nr num
    domain range tuple triple triples list sequence matrix all real root roots pass passes through located found
    """
)  # that leave a value as it is
DEGREES = frozenset(("degree", "degrees", "deg"))
TWO_SIGNS = {"**": "^", "<=": "le", ">=": "ge", "==": "=", "!=": "ne", "...": "ldots"}
BRACES = {"lbrace": "\\{", "rbrace": "\\}", "row": "\\\\"}
ALIASES = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom",
    **INVERTED, "oo": "infty", "inf": "infty", "infinity": "infty", "leq": "le", "leqslant": "le", "geq": "ge",
    "geqslant": "ge", "neq": "ne", "lt": "<", "gt": ">", "varnothing": "emptyset",
    "degree": "circ", "ast": "times", "vert": "|",
    "lvert": "|", "rvert": "|", "colon": ":", "to": "rightarrow", "backslash": "setminus",
    "simeq": "approx", "sim": "approx", "vee": "lor",
    "wedge": "land", "prime": "'", "div": "/", "langle": "(", "rangle": ")", "lbrack": "[", "rbrack": "]",
    "union": "cup", "varphi": "phi", "varepsilon": "epsilon",
}  # fmt: skip
