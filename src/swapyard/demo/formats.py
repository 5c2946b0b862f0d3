"""The shapes of the answers, one class per API: how a body becomes a prompt, and an answer becomes JSON or events.

A stream is what `opening` gives, then `piece` for every token, then `closing`, then `[DONE]` where the API has it. The
rules about `usage` and `timings` are llama-server's, as measured: without `stream_options.include_usage` no usage, and
the timings in the chunk with the finish reason; with it, one more chunk that has no choices but both.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from swapyard.demo import words
from swapyard.demo.generation import Generation, Prompt, RefusedError

Json = dict[str, Any]


# How a transcription is written down when it is to be text.
SUBTITLES = {
    "text": "{text}\n",
    "srt": "1\n00:00:00,000 --> 00:00:01,000\n{text}\n\n",
    "vtt": "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{text}\n\n",
}


def event(data: Json, name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def usage(generation: Generation) -> Json:
    prompt, completion = len(generation.prompt), generation.produced
    return {
        "completion_tokens": completion,
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": generation.cached},
    }


def text_of(content: object) -> str:
    """The text of a message's content: a string, or a list of parts of which some have text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def conversation(messages: object, system: object = None) -> Prompt:
    """A list of messages as a prompt; the question is what the user said last. Raises `RefusedError` on another shape."""
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise RefusedError(400, "invalid_request_error", "'messages' must be an array of objects")
    said = [(message.get("role", ""), text_of(message.get("content"))) for message in messages]
    question = next((text for role, text in reversed(said) if role == "user"), "")
    if intro := text_of(system):
        said.insert(0, ("system", intro))
    return Prompt("".join(f"{role}: {text}\n" for role, text in said), question)


def required(body: Mapping[str, Any], key: str) -> Any:
    if key not in body:
        raise RefusedError(400, "invalid_request_error", f"'{key}' is required")
    return body[key]


class Format(ABC):
    """One API. An object lives as long as one answer; `body` is the request's JSON object."""

    says_done: ClassVar[bool] = True

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body
        options = body.get("stream_options")
        self.include_usage = isinstance(options, dict) and options.get("include_usage") is True

    @abstractmethod
    def prompt(self) -> Prompt:
        """What there is to answer. Raises RefusedError."""

    @abstractmethod
    def whole(self, generation: Generation) -> Json:
        """An answer in one piece."""

    def opening(self, generation: Generation) -> Iterable[bytes]:
        return ()

    @abstractmethod
    def piece(self, generation: Generation, token: str) -> bytes:
        """One token of a stream."""

    @abstractmethod
    def closing(self, generation: Generation) -> Iterable[bytes]:
        """How a stream ends."""


class Chat(Format):
    """/v1/chat/completions."""

    def prompt(self) -> Prompt:
        return conversation(required(self.body, "messages"))

    def whole(self, generation: Generation) -> Json:
        choice = {
            "finish_reason": generation.finish_reason,
            "index": 0,
            "message": {"role": "assistant", "content": generation.text},
        }
        return {
            **self.envelope(generation, "chat.completion", [choice]),
            "usage": usage(generation),
            "timings": generation.timings(),
        }

    def opening(self, generation: Generation) -> Iterable[bytes]:
        yield self.chunk(generation, {"role": "assistant", "content": None})

    def piece(self, generation: Generation, token: str) -> bytes:
        return self.chunk(generation, {"content": token})

    def closing(self, generation: Generation) -> Iterable[bytes]:
        if not self.include_usage:
            yield self.chunk(generation, {}, generation.finish_reason, timings=generation.timings())
            return
        yield self.chunk(generation, {}, generation.finish_reason)
        last = self.envelope(generation, "chat.completion.chunk", [])
        yield event({**last, "usage": usage(generation), "timings": generation.timings()})

    def chunk(self, generation: Generation, delta: Json, finish_reason: str | None = None, **more: Any) -> bytes:
        choice = {"finish_reason": finish_reason, "index": 0, "delta": delta}
        return event({**self.envelope(generation, "chat.completion.chunk", [choice]), **more})

    def envelope(self, generation: Generation, kind: str, choices: list[Json]) -> Json:
        return {
            "choices": choices,
            "created": generation.created,
            "id": f"chatcmpl-{generation.number}",
            "model": generation.model,
            "system_fingerprint": "swapyard-demo",
            "object": kind,
        }


class Completions(Format):
    """/v1/completions."""

    def prompt(self) -> Prompt:
        text = text_of(required(self.body, "prompt"))
        return Prompt(text, text)

    def whole(self, generation: Generation) -> Json:
        choice = self.choice(generation.text, generation.finish_reason)
        return {**self.envelope(generation, [choice]), "usage": usage(generation), "timings": generation.timings()}

    def piece(self, generation: Generation, token: str) -> bytes:
        return event(self.envelope(generation, [self.choice(token, None)]))

    def closing(self, generation: Generation) -> Iterable[bytes]:
        last = self.envelope(generation, [self.choice("", generation.finish_reason)])
        if not self.include_usage:
            yield event({**last, "timings": generation.timings()})
            return
        yield event(last)
        yield event({**self.envelope(generation, []), "usage": usage(generation), "timings": generation.timings()})

    def choice(self, text: str, finish_reason: str | None) -> Json:
        return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}

    def envelope(self, generation: Generation, choices: list[Json]) -> Json:
        return {
            "choices": choices,
            "created": generation.created,
            "model": generation.model,
            "system_fingerprint": "swapyard-demo",
            "object": "text_completion",
            "id": f"cmpl-{generation.number}",
        }


class Native(Format):
    """/completion, llama.cpp's own API."""

    says_done = False

    def prompt(self) -> Prompt:
        text = text_of(required(self.body, "prompt"))
        return Prompt(text, text)

    def whole(self, generation: Generation) -> Json:
        return self.part(generation, generation.text, last=True)

    def piece(self, generation: Generation, token: str) -> bytes:
        return event(self.part(generation, token, last=False))

    def closing(self, generation: Generation) -> Iterable[bytes]:
        yield event(self.part(generation, "", last=True))

    def part(self, generation: Generation, content: str, *, last: bool) -> Json:
        part: Json = {
            "index": 0,
            "content": content,
            "tokens": [],
            "stop": last,
            "id_slot": 0,
            "tokens_predicted": generation.produced,
            "tokens_evaluated": len(generation.prompt),
        }
        if last:
            part |= {
                "model": generation.model,
                "truncated": False,
                "stop_type": "limit" if generation.finish_reason == "length" else "eos",
                "stopping_word": "",
                "tokens_cached": generation.cached,
                "timings": generation.timings(),
            }
        return part


class Infill(Native):
    """/infill: the code between a prefix and a suffix."""

    def prompt(self) -> Prompt:
        prefix, suffix = text_of(required(self.body, "input_prefix")), text_of(required(self.body, "input_suffix"))
        return Prompt(prefix + suffix, "", words.infill("the demo", prefix, suffix))


class Messages(Format):
    """/v1/messages, Anthropic's API."""

    says_done = False

    def prompt(self) -> Prompt:
        return conversation(required(self.body, "messages"), self.body.get("system"))

    def whole(self, generation: Generation) -> Json:
        return {
            **self.envelope(generation),
            "content": [{"type": "text", "text": generation.text}],
            "stop_reason": self.stop_reason(generation),
            "usage": self.usage(generation),
        }

    def opening(self, generation: Generation) -> Iterable[bytes]:
        started = {**self.envelope(generation), "content": [], "stop_reason": None, "usage": self.usage(generation)}
        yield self.named("message_start", message=started)
        yield self.named("content_block_start", index=0, content_block={"type": "text", "text": ""})

    def piece(self, generation: Generation, token: str) -> bytes:
        return self.named("content_block_delta", index=0, delta={"type": "text_delta", "text": token})

    def closing(self, generation: Generation) -> Iterable[bytes]:
        yield self.named("content_block_stop", index=0)
        ending = {"stop_reason": self.stop_reason(generation), "stop_sequence": None}
        yield self.named("message_delta", delta=ending, usage={"output_tokens": generation.produced})
        yield self.named("message_stop")

    def named(self, kind: str, **fields: Any) -> bytes:
        return event({"type": kind, **fields}, kind)

    def envelope(self, generation: Generation) -> Json:
        return {
            "id": f"msg_{generation.number}",
            "type": "message",
            "role": "assistant",
            "model": generation.model,
            "stop_sequence": None,
        }

    def usage(self, generation: Generation) -> Json:
        return {
            "cache_read_input_tokens": generation.cached,
            "input_tokens": len(generation.prompt) - generation.cached,
            "output_tokens": generation.produced,
        }

    def stop_reason(self, generation: Generation) -> str:
        return "max_tokens" if generation.finish_reason == "length" else "end_turn"


class Responses(Format):
    """/v1/responses, OpenAI's newer API."""

    says_done = False

    def prompt(self) -> Prompt:
        given = required(self.body, "input")
        messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
        return conversation(messages, self.body.get("instructions"))

    def whole(self, generation: Generation) -> Json:
        return self.response(generation, "completed")

    def opening(self, generation: Generation) -> Iterable[bytes]:
        response = self.response(generation, "in_progress")
        yield self.named("response.created", response=response)
        yield self.named("response.in_progress", response=response)
        yield self.named("response.output_item.added", output_index=0, item=self.item(generation, "in_progress"))
        yield self.named("response.content_part.added", **self.place(generation), part=self.part(""))

    def piece(self, generation: Generation, token: str) -> bytes:
        return self.named("response.output_text.delta", **self.place(generation), delta=token)

    def closing(self, generation: Generation) -> Iterable[bytes]:
        yield self.named("response.output_text.done", **self.place(generation), text=generation.text)
        yield self.named("response.content_part.done", **self.place(generation), part=self.part(generation.text))
        yield self.named("response.output_item.done", output_index=0, item=self.item(generation, "completed"))
        yield self.named("response.completed", response=self.response(generation, "completed"))

    def named(self, kind: str, **fields: Any) -> bytes:
        return event({"type": kind, **fields}, kind)

    def place(self, generation: Generation) -> Json:
        return {"item_id": f"msg_{generation.number}", "output_index": 0, "content_index": 0}

    def part(self, text: str) -> Json:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def item(self, generation: Generation, status: str) -> Json:
        content = [self.part(generation.text)] if status == "completed" else []
        return {
            "id": f"msg_{generation.number}",
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def response(self, generation: Generation, status: str) -> Json:
        response: Json = {
            "id": f"resp_{generation.number}",
            "object": "response",
            "created_at": generation.created,
            "model": generation.model,
            "status": status,
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }
        if status == "completed":
            prompt, completion = len(generation.prompt), generation.produced
            response["output"] = [self.item(generation, status)]
            response["usage"] = {
                "input_tokens": prompt,
                "output_tokens": completion,
                "total_tokens": prompt + completion,
                "input_tokens_details": {"cached_tokens": generation.cached},
                "output_tokens_details": {"reasoning_tokens": 0},
            }
        return response
