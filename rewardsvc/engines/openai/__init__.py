"""Language models behind any OpenAI-compatible endpoint: `vllm serve`, SGLang, a gateway."""
