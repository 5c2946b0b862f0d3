"""Writes a tiny model that a real engine can load: llama architecture, random weights, a vocabulary of bytes.

    python tests/e2e/tiny_gguf.py OUT.gguf [--seed N] [--name NAME]

The same seed gives the same file, byte for byte (about 5 MB). The weights mean nothing, so the model babbles; a bias on
the output keeps the babble to small letters and blanks, so that every token is valid text, and keeps the end of text
out, so that an answer has exactly `max_tokens` tokens. Needs `gguf` and `numpy` (the extra `engine`).
"""

from __future__ import annotations

import argparse
import string
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

EMBEDDING = 256
FEED_FORWARD = 512
HEADS = 4
LAYERS = 2
CONTEXT = 2048

SPECIAL = ("<unk>", "<s>", "</s>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>")
VOCABULARY = len(SPECIAL) + 256
SPEAKABLE = string.ascii_lowercase + " "
BIAS = 8.0  # in logits, far above what random weights reach

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)

Weights = NDArray[np.float32]


def write_tiny_gguf(path: Path, *, seed: int = 1, name: str = "tiny") -> Path:
    """Write the model to `path` and return it. The directory must exist; a file that is there is replaced."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(EMBEDDING)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(EMBEDDING // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_vocabulary(writer)
    for tensor_name, weights in tensors(np.random.default_rng(seed)):
        writer.add_tensor(tensor_name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_vocabulary(writer: gguf.GGUFWriter) -> None:
    """The special tokens, then one token per byte: any text can be tokenised, and any token is one byte of text."""
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * (len(SPECIAL) - 1), *[gguf.TokenType.BYTE] * 256]
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))])
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    keys = gguf.Keys.Tokenizer
    for number, key in enumerate((keys.FIM_PRE_ID, keys.FIM_SUF_ID, keys.FIM_MID_ID), 3):
        writer.add_uint32(key, number)  # so that it can fill in the middle of code
    writer.add_chat_template(CHAT_TEMPLATE)


def tensors(random: np.random.Generator) -> list[tuple[str, Weights]]:
    """Dimension 0 of the hidden state is a constant that no layer writes to: it carries the bias of the output."""

    def matrix(rows: int, columns: int, scale: float = 0.02) -> Weights:
        return (random.standard_normal((rows, columns)) * scale).astype(np.float32)

    def residual(rows: int, columns: int) -> Weights:
        weights = matrix(rows, columns)
        weights[0, :] = 0.0
        return weights

    ones = np.ones(EMBEDDING, dtype=np.float32)
    embedding = matrix(VOCABULARY, EMBEDDING, 1.0)
    embedding[:, 0] = 4.0
    found = [("token_embd.weight", embedding)]
    for layer in range(LAYERS):
        found += [
            (f"blk.{layer}.attn_norm.weight", ones),
            (f"blk.{layer}.attn_q.weight", matrix(EMBEDDING, EMBEDDING)),
            (f"blk.{layer}.attn_k.weight", matrix(EMBEDDING, EMBEDDING)),
            (f"blk.{layer}.attn_v.weight", matrix(EMBEDDING, EMBEDDING)),
            (f"blk.{layer}.attn_output.weight", residual(EMBEDDING, EMBEDDING)),
            (f"blk.{layer}.ffn_norm.weight", ones),
            (f"blk.{layer}.ffn_gate.weight", matrix(FEED_FORWARD, EMBEDDING)),
            (f"blk.{layer}.ffn_up.weight", matrix(FEED_FORWARD, EMBEDDING)),
            (f"blk.{layer}.ffn_down.weight", residual(EMBEDDING, FEED_FORWARD)),
        ]
    output = matrix(VOCABULARY, EMBEDDING, 0.1)
    output[:, 0] = -BIAS
    output[[len(SPECIAL) + ord(character) for character in SPEAKABLE], 0] = BIAS
    return [*found, ("output_norm.weight", ones), ("output.weight", output)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a tiny GGUF model with random weights.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default="tiny")
    options = parser.parse_args()
    print(write_tiny_gguf(options.path, seed=options.seed, name=options.name))


if __name__ == "__main__":
    main()
