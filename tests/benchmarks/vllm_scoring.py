"""Scores token ids with vLLM, as the peer in `packed_engine.py`; run by vLLM's own interpreter.

Reads commands as lines of JSON from standard input, {"sequences": [[ids]]}, and answers each
on standard output with a line {"cpu": seconds, "cached": tokens, "scores": [..]}; the prefix cache
is emptied before each. CPU seconds are of this process with all its threads.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--token-budget", type=int, required=True)
    parser.add_argument("--max-length", type=int, required=True)
    parser.add_argument("--block-size", type=int, default=32)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # vLLM prints on standard output
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }.items():
        os.environ.setdefault(name, value)

    import torch
    from vllm import LLM, PoolingParams

    llm = LLM(
        options.model,
        runner="pooling",
        dtype="float32",
        enforce_eager=not options.compile,
        enable_prefix_caching=True,
        gpu_memory_utilization=0.2,
        max_model_len=options.max_length,
        max_num_batched_tokens=options.token_budget,
        block_size=options.block_size,
        disable_log_stats=True,
    )
    torch.set_num_threads(1)
    raw = PoolingParams(use_activation=False)
    for line in sys.stdin:
        prompts = [{"prompt_token_ids": ids} for ids in json.loads(line)["sequences"]]
        llm.reset_prefix_cache()
        before = time.process_time()
        outputs = llm.encode(prompts, pooling_params=raw, pooling_task="classify", use_tqdm=False)
        cpu = time.process_time() - before
        cached = sum(getattr(output, "num_cached_tokens", 0) or 0 for output in outputs)
        scores = [float(output.outputs.data.flatten()[0]) for output in outputs]
        print(json.dumps({"cpu": cpu, "cached": cached, "scores": scores}), file=answers)


if __name__ == "__main__":
    main()
