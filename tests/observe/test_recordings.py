"""Token figures of answers that real servers gave (`recorded/`, whose README tells where each is from)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from swapyard.observe.figures import Usage
from swapyard.observe.usage import tap_response

RECORDED = Path(__file__).parent / "recorded"
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
KINDS = {".sse": "text/event-stream; charset=utf-8", ".json": "application/json"}


@dataclass(frozen=True, slots=True)
class Told:
    """What a recording says: tokens in, out and cached (-1: not told); `whole`: those of the whole prompt."""

    path: str
    counts: tuple[int, int, int]
    whole: int
    more: dict[str, float] = field(default_factory=dict)


# The numbers stand in the recordings themselves; `recorded/README.md` says where what is expected needs a reason.
TOLD = {
    "openai_chat.json": Told(CHAT, (1149, 353, 1024), 1149),
    "openai_chat_stream.sse": Told(CHAT, (12, 5, 0), 12),
    "openai_chat_stream_tools.sse": Told(CHAT, (75, 51, 0), 75),
    "openai_completion.json": Told("/v1/completions", (8, 16, -1), 8),
    "openai_embeddings.json": Told("/v1/embeddings", (8, 0, -1), 8),
    "openai_responses.json": Told(RESPONSES, (11, 131, 0), 11),
    "openai_responses_stream.sse": Told(RESPONSES, (11, 8, 0), 11),
    "anthropic_message.json.gz": Told(MESSAGES, (568, 58, 0), 568),
    "anthropic_message_cached.json": Told(MESSAGES, (4, 202, 1163), 1167),
    "anthropic_stream.sse": Told(MESSAGES, (11, 6, 0), 11),
    "anthropic_stream_cached.sse": Told(MESSAGES, (4, 221, 1165), 1169),
    "anthropic_stream_thinking.sse": Told(MESSAGES, (52, 216, 0), 52),
    "anthropic_stream_tools.sse": Told(MESSAGES, (506, 153, 0), 506),
    "azure_chat_stream.sse": Told(CHAT, (0, 0, 0), 0),
    "deepseek_stream.sse": Told(CHAT, (12, 89, 0), 12),
    "groq_chat.json": Told(CHAT, (18, 26, -1), 18),
    "groq_stream.sse": Told(CHAT, (18, 73, -1), 18),
    "llamacpp_chat.json": Told(
        CHAT, (107, 9, 0), 107, {"prompt_per_second": 11497.958306468947, "tokens_per_second": 2902.757619738752}
    ),
    "llamacpp_chat_stream.sse": Told(CHAT, (1, 7, 106), 107, {"tokens_per_second": 2448.9795918367345}),
    "llamacpp_chat_stream_usage.sse": Told(CHAT, (1, 5, 106), 107, {"prompt_ms": 0.642, "generation_ms": 1.49}),
    "llamacpp_completion_stream.sse": Told("/completion", (1, 4, 16), 17, {"tokens_per_second": 2671.4158504007123}),
    "llamacpp_completion_two.json": Told("/completion", (20, 8, 8), 28),
    "llamacpp_completions_stream.sse": Told("/v1/completions", (22, 6, 4), 26, {"tokens_per_second": 2579.9793601651186}),
    "llamacpp_embeddings.json": Told("/v1/embeddings", (16, 0, -1), 16),
    "llamacpp_infill.json": Told("/infill", (21, 4, 1), 22, {"prompt_per_second": 8742.71440466278}),
    "llamacpp_messages.json": Told(MESSAGES, (1, 6, 106), 107),
    "llamacpp_messages_stream.sse": Told(MESSAGES, (1, 6, 106), 107),
    "llamacpp_responses.json": Told(RESPONSES, (31, 6, 12), 31),
    "llamacpp_responses_stream.sse": Told(RESPONSES, (1, 6, 30), 31, {"tokens_per_second": 2812.14848143982}),
    "mistral_chat.json": Told(CHAT, (11, 99, -1), 11),
    "mistral_stream.sse": Told(CHAT, (11, 80, -1), 11),
    "vllm_2024_chat.json": Told(CHAT, (43, 36, -1), 43),
    "vllm_2024_completion.json": Told("/v1/completions", (9, 16, -1), 9),
    "vllm_chat.json": Told(CHAT, (82, 12, 0), 82),
    "vllm_chat_metrics.json": Told(
        CHAT,
        (422, 12, 384),
        422,
        {"prompt_per_second": 38 / 0.01150353999764775, "tokens_per_second": 1000 / 2.767788999997058},
    ),
    "vllm_chat_stream.sse": Told(CHAT, (82, 12, 0), 82),
    "vllm_chat_stream_continuous.sse": Told(CHAT, (82, 12, 0), 82),
    "vllm_chat_stream_metrics.sse": Told(
        CHAT,
        (422, 12, 384),
        422,
        {"prompt_per_second": 38 / 0.007040698001219425, "tokens_per_second": 1000 / 1.8786522728491533},
    ),
    "vllm_completion_stream.sse": Told("/v1/completions", (16, 6, 0), 16),
    "vllm_messages.json": Told(MESSAGES, (82, 12, 0), 82),
    "vllm_messages_stream_cached.sse": Told(MESSAGES, (38, 12, 384), 422),
    "vllm_responses_cached.json": Told(RESPONSES, (422, 6, 384), 422, {"tokens_per_second": 1000 / 1.9537973996193612}),
    "vllm_responses_stream.sse": Told(RESPONSES, (48, 6, 0), 48),
}
ERRORS = {
    "llamacpp_error.json": "request (1126 tokens) exceeds the available context size (1024 tokens), try increasing it",
    "openai_error.json": "The model `this-model-does-not-exist` does not exist or you do not have access to it.",
    "vllm_error.json": "The model `nobody` does not exist. Valid aliases: tiny.",
}


def body(file: str) -> bytes:
    recorded = (RECORDED / file).read_bytes()
    return gzip.decompress(recorded) if file.endswith(".gz") else recorded


def read(file: str, path: str, size: int, *, gzipped: bool = False, status: int = 200) -> Usage:
    """The recording `file`, fed in pieces of `size` bytes; gzipped as recorded, where it was, or here."""
    data = body(file)
    if gzipped:
        data = (RECORDED / file).read_bytes() if file.endswith(".gz") else gzip.compress(data)
    kind = KINDS[Path(file.removesuffix(".gz")).suffix]
    tap = tap_response(path, status, kind, "gzip" if gzipped else "")
    for at in range(0, len(data), size):
        tap.feed(data[at : at + size])
    return tap.end()


@pytest.mark.parametrize("gzipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("size", [1, 1448, 1_000_000], ids=["byte by byte", "by packet", "whole"])
@pytest.mark.parametrize("file", TOLD)
def test_a_real_answer_gives_the_figures_that_its_server_told(file: str, size: int, gzipped: bool) -> None:
    told = TOLD[file]
    usage = read(file, told.path, size, gzipped=gzipped)
    assert (usage.input_tokens, usage.output_tokens, usage.cache_tokens) == told.counts
    assert usage.prompt_tokens == told.whole
    assert {name: getattr(usage, name) for name in told.more} == pytest.approx(told.more)
    assert usage.error == ""


@pytest.mark.parametrize("file", [file for file in TOLD if file.endswith(".sse")])
def test_a_real_stream_that_its_client_left_tells_no_more_than_came(file: str) -> None:
    told = TOLD[file]
    data = body(file)
    for end in range(0, len(data), 97):
        tap = tap_response(told.path, 200, KINDS[".sse"])
        tap.feed(data[:end])
        usage = tap.end()
        assert usage.error == ""
        assert usage.output_tokens <= told.counts[1]
        assert usage.prompt_tokens <= max(told.whole, 2 * told.counts[0])


@pytest.mark.parametrize("size", [1, 1_000_000])
@pytest.mark.parametrize("file", ERRORS)
def test_a_real_refusal_tells_why(file: str, size: int) -> None:
    assert read(file, CHAT, size, status=404) == Usage(error=ERRORS[file])


def test_every_recording_is_read_and_has_its_source_told() -> None:
    files = {file.name for file in RECORDED.iterdir() if file.suffix != ".md"}
    assert files == TOLD.keys() | ERRORS.keys()
    readme = (RECORDED / "README.md").read_text()
    assert [file for file in sorted(files) if f"`{file}`" not in readme] == []
