"""The demo members' tokenizer: byte-level BPE with single digits, trained on the problems."""

from __future__ import annotations

import random
from typing import Any

from rewardsvc.demo.problems import Mistake, Split, make_problem, solve

__all__ = ["build_tokenizer"]

_BEGIN, _END, _PADDING = "<|begin|>", "<|end|>", "<|padding|>"
_USER, _ASSISTANT = "<|user|>", "<|assistant|>"
_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|assistant|>' if message['role'] == 'assistant' else '<|user|>' }}"
    "{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_PROBLEMS = 4000


def build_tokenizer(seed: int, vocabulary: int, max_length: int) -> Any:
    """A fast transformers tokenizer with a chat template."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    texts = []
    for _ in range(_PROBLEMS):
        problem = make_problem(rng, Split.TRAIN)
        texts.append(problem.text)
        texts.append(solve(problem, rng.choice([None, *Mistake]), rng).text)
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?\d|\n| ?[^\s\d]+| "), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[_BEGIN, _END, _PADDING, _USER, _ASSISTANT],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        bos_token=_BEGIN,
        eos_token=_END,
        pad_token=_PADDING,
        additional_special_tokens=[_USER, _ASSISTANT],
        model_max_length=max_length,
        chat_template=_CHAT_TEMPLATE,
    )
