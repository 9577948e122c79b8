"""Tiny random process reward models of each published format, and how its authors read one.

The published reading is plain transformers: the whole text through the tokenizer, the whole
sequence through the model, and scores picked out by the mark's token.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from fixtures.tiny_models import POSITIONS, tiny_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForTokenClassification,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForTokenClassification,
    Qwen2Model,
    Qwen2PreTrainedModel,
)

QUESTION = "What is 6 times 7?"
SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."


class QwenProcessRewardModel(Qwen2PreTrainedModel):
    """As Qwen2.5-Math-PRM's own code builds it."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__(config)
        self.model = Qwen2Model(config)
        width = config.hidden_size
        self.score = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))
        self.post_init()


class ValueHead(nn.Module):
    def __init__(self, config: Qwen2Config) -> None:
        super().__init__()
        self.summary = nn.Linear(config.hidden_size, 1)


class SkyworkModel(Qwen2PreTrainedModel):
    """A decoder and `v_head`, as Skywork-o1's weights have them."""

    def __init__(self, config: Qwen2Config) -> None:
        super().__init__(config)
        self.model = Qwen2Model(config)
        self.v_head = ValueHead(config)
        self.post_init()


def metaspace_tokenizer() -> PreTrainedTokenizerFast:
    """Marks words by the space before them, as Llama's and Mistral's tokenizers do."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,?!=*·+-\n{}\\<>/:ки▁"
    merged = ["ки", "▁+", "▁-"]
    vocabulary = ["<unk>", "<s>", "</s>", *letters, *merged]
    core = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(vocabulary)},
            merges=[("к", "и"), ("▁", "+"), ("▁", "-")],
            unk_token="<unk>",
        )
    )
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=POSITIONS,
    )


def save(directory: Path, step_format: str, **settings: Any) -> Path:
    """A random model of the format."""
    kind, tokenizer = {
        "math_shepherd": (LlamaForCausalLM, metaspace_tokenizer),
        "prm800k": (Qwen2ForTokenClassification, tiny_tokenizer),
        "qwen2_5_math": (QwenProcessRewardModel, lambda: tiny_tokenizer(("<extra_0>",))),
        "rlhflow": (LlamaForCausalLM, tiny_tokenizer),
        "skywork_o1": (SkyworkModel, tiny_tokenizer),
    }[step_format]
    made = tokenizer()
    config_type = LlamaConfig if kind is LlamaForCausalLM else Qwen2Config
    config = config_type(
        vocab_size=len(made),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=False,
        initializer_range=0.2,
        **settings,
    )
    torch.manual_seed(0)
    kind(config).float().eval().save_pretrained(directory)
    made.save_pretrained(directory)
    return directory


@torch.inference_mode()
def published(directory: Path, step_format: str, steps: Sequence[str]) -> list[float]:
    """The scores of steps that are parted by blank lines, as the format's authors read them."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return _READINGS[step_format](directory, tokenizer, steps)


def _math_shepherd(directory: Path, tokenizer: Any, steps: Sequence[str]) -> list[float]:
    model = AutoModelForCausalLM.from_pretrained(directory).eval()
    good, bad = (tokenizer.encode(mark)[-1] for mark in "+-")
    mark = tokenizer.encode("ки")[-1]
    text = f"{QUESTION} " + " ки\n\n".join(steps) + " ки"
    ids = torch.tensor([tokenizer.encode(text)])
    scores = model(ids).logits[:, :, [good, bad]].softmax(-1)[:, :, 0]
    return scores[ids == mark].tolist()


def _qwen(directory: Path, tokenizer: Any, steps: Sequence[str]) -> list[float]:
    model = QwenProcessRewardModel.from_pretrained(directory).eval()
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "<extra_0>".join(steps) + "<extra_0>"},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    ids = torch.tensor([tokenizer.encode(text)])
    scores = model.score(model.model(ids).last_hidden_state).softmax(-1)[:, :, 1]
    return scores[ids == tokenizer.convert_tokens_to_ids("<extra_0>")].tolist()


def _skywork(directory: Path, tokenizer: Any, steps: Sequence[str]) -> list[float]:
    model = SkyworkModel.from_pretrained(directory).eval()
    ids = tokenizer.encode(QUESTION + "\n")
    lines: list[int] = []
    for line in "\n\n".join(steps).split("\n"):
        ids += [*(tokenizer.encode(line) if line else []), tokenizer.encode("\n")[-1]]
        if line:
            lines.append(len(ids) - 1)
    # Every line has a score; a step's is that of its last line.
    of_steps = [number for number, step in enumerate(steps) for _ in step.split("\n")]
    reads = list(dict(zip(of_steps, lines, strict=True)).values())
    values = model.v_head.summary(model.model(torch.tensor([ids])).last_hidden_state)
    return torch.sigmoid(values)[0, reads, 0].tolist()


def _rlhflow(directory: Path, tokenizer: Any, steps: Sequence[str]) -> list[float]:
    model = AutoModelForCausalLM.from_pretrained(directory).eval()
    good, bad = (tokenizer.encode(mark)[-1] for mark in "+-")
    conversation: list[dict[str, str]] = []
    scores = []
    for number, step in enumerate(steps):
        content = step if number else f"{QUESTION} {step}"
        conversation.append({"role": "user", "content": content})
        text = tokenizer.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=True
        )
        logits = model(torch.tensor([tokenizer.encode(text)])).logits[0, -1, [good, bad]]
        scores.append(float(logits.softmax(-1)[0]))
        conversation.append({"role": "assistant", "content": "+"})
    return scores


def _prm800k(directory: Path, tokenizer: Any, steps: Sequence[str]) -> list[float]:
    model = AutoModelForTokenClassification.from_pretrained(directory).eval()
    ids = tokenizer.encode(QUESTION)
    reads = []
    for step in steps:
        ids += tokenizer.encode(step) + tokenizer.encode("\n")
        reads.append(len(ids) - 1)
    probabilities = model(torch.tensor([ids])).logits[0, reads].softmax(-1)
    return probabilities[:, 1:].sum(-1).tolist()


_READINGS = {
    "math_shepherd": _math_shepherd,
    "prm800k": _prm800k,
    "qwen2_5_math": _qwen,
    "rlhflow": _rlhflow,
    "skywork_o1": _skywork,
}
