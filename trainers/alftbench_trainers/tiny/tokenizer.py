"""The embedded model's tokenizer: a word, a digit or a character per token, over a closed vocabulary."""

from __future__ import annotations

import re

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from alftbench.suites.arithmetic import SPLIT_PHRASINGS, SUM_PHRASINGS

PIECE = r" ?[A-Za-z]+|\d|\n|."
PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def vocabulary() -> dict[str, int]:
    """Every piece of the phrasings and the scratchpad, in a fixed order behind the special tokens."""
    phrasings = [re.sub(r"\{\w+\}", "0", text) for text in (*SUM_PHRASINGS.values(), *SPLIT_PHRASINGS.values())]
    pieces = {piece for text in (*phrasings, "Answer: 0123456789+=\n") for piece in re.findall(PIECE, text)}
    return {piece: index for index, piece in enumerate([PAD, EOS, UNKNOWN, *sorted(pieces)])}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A transformers tokenizer that splits by `PIECE` and decodes back to the exact text."""
    core = Tokenizer(models.WordLevel(vocabulary(), unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(PIECE), behavior="isolated")
    core.decoder = decoders.Fuse()
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
