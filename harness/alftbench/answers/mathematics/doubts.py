"""Sentences that say of a value that it is not the answer: I first thought 5, a common mistake is 5, 5? No."""

from __future__ import annotations

import re
from collections import deque

from alftbench.answers.mathematics.vocabulary import words

LATIN = re.compile("[a-z]+")
TURN = re.compile(
    r"[,;:—–-]\s*(?:but|so|thus|hence|therefore|and\s+so|the|it(?:['’]s|\s+is))\b(?=[^.?!\n]*\b(?:answer|result|it)\b)",
    re.IGNORECASE,
)  # what the sentence said before no longer counts: 4 is wrong, so the answer is 5
JUDGED = (
    r"(?:wrong|incorrect|false|impossible|invalid|mistaken|a\s+mistake|an\s+error|(?:a\s+)?typo|a\s+trap"
    r"|falsch|faux|incorrecto|неверно)"
)
RETORT = re.compile(
    rf"""[\s"'$*)\]}}.,;:!?—–-]{{0,8}}[\s(\[]*
    (?:(?:but|which|that|this|it|they|and|or|however|you|i|answer|value|result)\b[,\s]*|(?:is|are|was|were|'s|'re)\b\s*
      |(?:rather|actually|wait|oh|sorry|clearly)\b[,\s]*){{0,5}}
    (?:{JUDGED}\b|(?:no|nope|nein|non|нет)(?:\s+(?:wait|it|that|way|sorry)\b|\s*(?:[.,;:!?—–)-]|$))
      |not\s+(?:right|correct|true|the\s+(?:answer|case|result|solution)|it\b|quite|so\b|really)
      |too\s+(?:low|high|small|large|big)
      |fails\s+(?:the|to|this|for)\b|contradicts\b|just\s+kidding|by\s+mistake|[✗✘❌]|with\s+a\s+(?:minus|negative)\s+sign
      |(?:my|our)\s+(?:first|initial|earlier|previous|old|original)\s+(?:answer|guess|attempt|result)
      |(?:squared|cubed|doubled|tripled|halved|negated|inverted|factorial)\b|negative\s*(?:[.!)]|$))""",
    re.IGNORECASE | re.VERBOSE,
)  # what follows a value: 5? No. 5, which is wrong; 5, squared
WHO = r"\b(?:i|we|one|you|they|some|people|many|he|she|someone|somebody|others)\b"
ONCE = r"first|initially|originally|mistakenly|wrongly"
THOUGHT = r"thought|think|guess|guessed|believed?|say|said|got|assumed?|answer(?:ed)?|claim(?:ed)?|that|it"
MADE_OF_IT = (
    "first|initial|previous|earlier|old|wrong|incorrect|false|original|another|naive|bad|opposite|half|twice|double"
    "|triple|times|squared?|cubed?|reciprocal|negative|negation|inverse|root|third|quarter"
)
NEAR = r"\b[^.,?!\n]{0,30}\Z"  # up to the value
DOUBTED = re.compile(
    rf"""\b(?:no\s+(?:way|chance|means)|far\s+from|nowhere\s+near|false|wrong|incorrect|untrue|doubt|deny|disagree|mistake|nonsense|(?:ruled|crossed)\s+out
      |not\s+(?:the\s+case|true|think|believe|say|claim))\b[^.?!\n]{{0,60}}\Z
    |n['’]t\s+(?:think|believe|say|answer|claim|write|put)\b[^.?!\n]{{0,60}}\Z
    |{WHO}[^.,?!\n]{{0,20}}\b(?:{ONCE}|might|may|could|would|had|used|tempted|once|previously|say|says|said)\b[^.?!\n]{{0,20}}
      \b(?:{THOUGHT}){NEAR}
    |\b(?:suppos(?:e|ing)|assum(?:e|ing)|let\s+(?:us|me)\s+say|let['’]s\s+say|imagine|pretend){NEAR}
    |\bit\s+(?:could|might|may)\s+(?:also\s+)?be\W*\Z
    |\b(?:hardly|scarcely|barely)\s+(?:any\s?one|anybody){NEAR}
    |\A\W*(?:if|unless)\b[^.,?!\n]*,\W*\Z
    |\btempt(?:ed|ing)\s+to\s+\w+{NEAR}
    |\b(?:{ONCE}|at\s+first)\b,?\s+(?:i|we|one)\s+(?:got|had|thought|guessed|believed|found|said|obtained){NEAR}
    |\b(?:{MADE_OF_IT})\s+(?:of\s+)?(?:the\s+|my\s+|our\s+|this\s+)?(?:correct\s+|right\s+|final\s+)?
      (?:guess|attempt|answer|result|solution|thought|idea|intuition){NEAR}
    |\b(?:ignore|disregard|exclude|discard|reject|eliminate)(?:\s+(?:the|my|answer|value|of))*[\s$\\({{*]*\Z
    |\b(?:nobody|no\s+one)\b[^.,;?!\n]{{0,40}}\Z
    |\b(?:answer|result|solution)['’]s\s+(?:reciprocal|square|cube|half|double|triple|inverse|negative|opposite|root){NEAR}
    |\b(?:answer|result|solution)\s+
      (?:plus|minus|times|squared|cubed|doubled|tripled|halved|divided|multiplied|increased|decreased){NEAR}""",
    re.IGNORECASE | re.VERBOSE,
)  # what leads to a value: I first thought it was 5; twice the answer is 5
DOUBTS = words(
    """
    far nowhere false wrong incorrect untrue doubt deny disagree mistake nonsense not ruled crossed first initially
    originally mistakenly wrongly might may could would had used tempted tempting no once previously say says
    said initial previous earlier old original another naive bad opposite half twice double triple square
    squared cube cubed ignore disregard exclude discard reject eliminate nobody no
    negation reciprocal negative inverse root third quarter plus minus times doubled tripled halved
    divided multiplied increased decreased if unless
    suppose supposing assume assuming let imagine pretend hardly scarcely barely
    """
)  # one of them, or n't, stands in whatever `DOUBTED` finds
DISOWNED = re.compile(
    rf"""[\s.:)$*}}]*(?:(?:is|was)\s+(?:not\b|(?:\w+\s+)?{JUDGED})|isn['’]t|wasn['’]t|(?:no|nope)\b\s*(?:[.,;:!?—–-]|wait|$)|not\W*\Z)
    |[^\n]*\b(?:is|was)\s+{JUDGED}\W*\Z""",
    re.IGNORECASE | re.VERBOSE,
)  # what follows the letter of a choice: (B) is wrong; B. No, C


def doubted(text: str) -> bool:
    """Whether a sentence that leads to a value says that it is not the answer, or the answer to something else."""
    sentence = text[max(text.rfind(". "), text.rfind("\n"), text.rfind("? "), text.rfind("! ")) + 1 :]
    turn = deque(TURN.finditer(sentence), maxlen=1)
    sentence = sentence[turn[0].end() :] if turn else sentence
    lower = sentence.lower().replace("’", "'")
    if DOUBTS.isdisjoint(LATIN.findall(lower)) and "n't" not in lower:
        return False
    return DOUBTED.search(sentence) is not None
