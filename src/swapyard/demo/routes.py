"""What the scripted engine answers on which path: llama-server's routes, as far as clients of a gateway need them.

Errors are llama-server's, as measured: every route answers 503 while the model loads; bad JSON is 500; a missing field or
a prompt that exceeds the context is 400, plain JSON even when a stream was asked for; what this kind of model cannot do
is 501; a wrong key 401; an unknown path 404. `/demo/state` is ours: counters for tests and for the curious.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from swapyard.demo import formats, forms, media, words
from swapyard.demo.generation import Engine, RefusedError, log
from swapyard.demo.server import Reply, Request

Body = dict[str, Any]
Route = Callable[[Engine, Request, Reply], Awaitable[None] | None]

PUBLIC = frozenset({"/health", "/v1/health", "/models", "/v1/models", "/", "/ws"})


async def respond(engine: Engine, request: Request, reply: Reply) -> None:
    """Answer one request, whatever it is, and log it."""
    try:
        check(engine, request)
        answered = find(request)(engine, request, reply)
        if answered is not None:
            await answered
    except RefusedError as refused:
        error = {"message": refused.message, "type": refused.kind, "code": refused.status, **refused.extra}
        # cpp-httplib does not read the body of a POST that nobody handles: it has to close.
        reply.json(refused.status, {"error": error}, close=refused.status == 404 and request.method == "POST")
    log(f"srv  log_server_r: done request: {request.method} {request.path} {reply.status}")


def check(engine: Engine, request: Request) -> None:
    if not engine.ready:
        raise RefusedError(503, "unavailable_error", "Loading model")
    key = engine.options.api_key
    if key and request.path not in PUBLIC and request.method != "OPTIONS":
        given = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("x-api-key", "")
        if given != key:
            raise RefusedError(401, "authentication_error", "Invalid API Key")


def find(request: Request) -> Route:
    if request.method == "OPTIONS":
        return preflight
    method = "GET" if request.method == "HEAD" else request.method
    if (route := ROUTES.get((method, request.path))) is None:
        raise RefusedError(404, "not_found_error", "File Not Found")
    return route


def json_body(request: Request) -> Body:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise RefusedError(500, "server_error", f"[json.exception.parse_error.101] parse error: {error}") from None
    if not isinstance(body, dict):
        raise RefusedError(500, "server_error", "[json.exception.type_error.305] the body is not an object")
    return body


def form_of(request: Request) -> dict[str, forms.Part]:
    return forms.parts(request.headers.get("content-type", ""), request.body)


def form_field(form: dict[str, forms.Part], name: str) -> forms.Part:
    if name not in form:
        raise RefusedError(400, "invalid_request_error", f"the form has no field '{name}'")
    return form[name]


def demand(engine: Engine, *kinds: str, what: str) -> None:
    if engine.options.kind not in kinds:
        raise RefusedError(
            501, "not_supported_error", f"This server does not support {what}. Its kind is {engine.options.kind}"
        )


# --- generating --------------------------------------------------------------------------------------------------------


def generating(shape: type[formats.Format], *kinds: str) -> Route:
    """The route of an API that generates text; `kinds` of models can do it."""

    async def route(engine: Engine, request: Request, reply: Reply) -> None:
        demand(engine, *kinds, what=request.path)
        body = json_body(request)
        answer = shape(body)
        generation = engine.plan(answer.prompt(), body)
        async with engine.slot(generation), aclosing(engine.pieces(generation)) as pieces:
            if body.get("stream") is not True:
                async for _ in pieces:
                    pass
                reply.json(200, answer.whole(generation))
                return
            waiting: list[bytes] | None = list(answer.opening(generation))
            async for piece in pieces:
                event = answer.piece(generation, piece)
                if waiting is not None:
                    # No header before the first token; the first HTTP chunk holds several events.
                    reply.begin_stream()
                    event, waiting = b"".join([*waiting, event]), None
                await reply.send(event)
            if waiting is not None:
                reply.begin_stream()
            for event in [*(waiting or ()), *answer.closing(generation)]:
                await reply.send(event)
            if answer.says_done:
                await reply.send(b"data: [DONE]\n\n")
            reply.end()

    return route


# --- everything else ---------------------------------------------------------------------------------------------------


def health(engine: Engine, request: Request, reply: Reply) -> None:
    reply.json(200, {"status": "ok"})


def models(engine: Engine, request: Request, reply: Reply) -> None:
    entry = {
        "id": engine.options.model,
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "swapyard-demo",
        "meta": {"n_ctx_train": engine.options.ctx_size, "n_embd": words.DIMENSIONS, "n_vocab": words.TOKEN_IDS},
    }
    reply.json(200, {"object": "list", "data": [entry]})


def props(engine: Engine, request: Request, reply: Reply) -> None:
    reply.json(
        200,
        {
            "default_generation_settings": {"n_ctx": engine.options.ctx_size},
            "total_slots": engine.options.parallel,
            "model_alias": engine.options.model,
            "model_path": f"demo://{engine.options.model}",
            "modalities": {"vision": False, "audio": False},
            "build_info": "swapyard-demo",
        },
    )


def state(engine: Engine, request: Request, reply: Reply) -> None:
    reply.json(200, engine.state())


def front_page(engine: Engine, request: Request, reply: Reply) -> None:
    page = f"<!doctype html><title>{engine.options.model}</title><h1>{engine.options.model}</h1><p>A scripted engine."
    reply.whole(200, "text/html; charset=utf-8", page.encode())


def preflight(engine: Engine, request: Request, reply: Reply) -> None:
    reply.whole(200, "text/html", b"")


def tokenize(engine: Engine, request: Request, reply: Reply) -> None:
    content = formats.text_of(json_body(request).get("content"))
    reply.json(200, {"tokens": [words.token_id(token) for token in words.tokens(content)]})


def count_tokens(engine: Engine, request: Request, reply: Reply) -> None:
    prompt = formats.Messages(json_body(request)).prompt()
    reply.json(200, {"input_tokens": len(words.tokens(prompt.text))})


def embeddings(engine: Engine, request: Request, reply: Reply) -> None:
    demand(engine, "embedding", what="embeddings")
    body = json_body(request)
    given = formats.required(body, "input")
    texts = [str(text) for text in given] if isinstance(given, list) else [str(given)]
    base_64 = body.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        vector = words.embedding(text)
        packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if base_64 else vector
        data.append({"embedding": packed, "index": index, "object": "embedding"})
    engine.served += 1
    reply.json(200, {"model": engine.options.model, "object": "list", "usage": read_usage(texts), "data": data})


def rerank(engine: Engine, request: Request, reply: Reply) -> None:
    demand(engine, "rerank", what="reranking")
    body = json_body(request)
    query, documents = str(formats.required(body, "query")), formats.required(body, "documents")
    if not isinstance(documents, list):
        raise RefusedError(400, "invalid_request_error", "'documents' must be an array")
    scores = [words.relevance(query, str(document)) for document in documents]
    results = [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]
    results.sort(key=lambda result: -result["relevance_score"])
    engine.served += 1
    usage = read_usage([query, *(str(document) for document in documents)])
    reply.json(200, {"model": engine.options.model, "object": "list", "usage": usage, "results": results})


def speech(engine: Engine, request: Request, reply: Reply) -> None:
    demand(engine, "audio", what="speech")
    body = json_body(request)
    text = str(formats.required(body, "input"))
    engine.served += 1
    reply.whole(200, "audio/wav", media.wav(text, str(body.get("voice", ""))))


def voices(engine: Engine, request: Request, reply: Reply) -> None:
    demand(engine, "audio", what="speech")
    reply.json(200, {"voices": list(media.VOICES)})


async def transcriptions(engine: Engine, request: Request, reply: Reply) -> None:
    """What it heard is told by the file's size and name, in the format that was asked for."""
    demand(engine, "audio", what="transcription")
    form = form_of(request)
    file = form_field(form, "file")
    text = f"This is {engine.options.model}. I have heard {len(file.content)} bytes of {file.file_name or 'something'}."
    wanted = form["response_format"].text if "response_format" in form else "json"
    engine.served += 1
    if "stream" in form and form["stream"].text == "true":
        reply.begin_stream()
        for token in words.tokens(text):
            await reply.send(formats.event({"type": "transcript.text.delta", "delta": token}))
        await reply.send(formats.event({"type": "transcript.text.done", "text": text}))
        reply.end()
    elif wanted in formats.SUBTITLES:
        reply.whole(200, "text/plain; charset=utf-8", formats.SUBTITLES[wanted].format(text=text).encode())
    elif wanted == "verbose_json":
        segment = {"id": 0, "start": 0.0, "end": 1.0, "text": text}
        reply.json(200, {"task": "transcribe", "language": "english", "duration": 1.0, "text": text, "segments": [segment]})
    else:
        reply.json(200, {"text": text})


def images(engine: Engine, request: Request, reply: Reply) -> None:
    """OpenAI's way."""
    demand(engine, "image", what="image generation")
    body = json_body(request)
    answer_pictures(engine, reply, str(formats.required(body, "prompt")), body.get("n") or 1)


def image_edits(engine: Engine, request: Request, reply: Reply) -> None:
    demand(engine, "image", what="image editing")
    form = form_of(request)
    original = form_field(form, "image" if "image" in form else "image[]")
    prompt = form_field(form, "prompt").text
    answer_pictures(engine, reply, f"{prompt} {zlib.crc32(original.content)}", form["n"].text if "n" in form else 1)


def answer_pictures(engine: Engine, reply: Reply, prompt: str, count: str | int) -> None:
    engine.served += 1
    data = [{"b64_json": picture(f"{prompt} {number}")} for number in range(min(int(count), 10))]
    reply.json(200, {"created": 1_700_000_000, "data": data})


def web_ui_images(engine: Engine, request: Request, reply: Reply) -> None:
    """The way of the Stable Diffusion web UI."""
    demand(engine, "image", what="image generation")
    prompt = str(formats.required(json_body(request), "prompt"))
    engine.served += 1
    reply.json(200, {"images": [picture(prompt)], "parameters": {"prompt": prompt}, "info": "{}"})


def loras(engine: Engine, request: Request, reply: Reply) -> None:
    demand(engine, "image", what="image generation")
    reply.json(200, [{"name": "stripes", "path": "demo://stripes"}])


def picture(prompt: str) -> str:
    return base64.b64encode(media.png(prompt)).decode()


def read_usage(texts: list[str]) -> Body:
    count = sum(len(words.tokens(text)) for text in texts)
    return {"prompt_tokens": count, "total_tokens": count}


CHAT, COMPLETIONS = generating(formats.Chat, "chat", "code"), generating(formats.Completions, "chat", "code")

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/"): front_page,
    ("GET", "/health"): health,
    ("GET", "/v1/health"): health,
    ("GET", "/models"): models,
    ("GET", "/v1/models"): models,
    ("GET", "/props"): props,
    ("GET", "/demo/state"): state,
    ("POST", "/tokenize"): tokenize,
    ("POST", "/v1/chat/completions"): CHAT,
    ("POST", "/chat/completions"): CHAT,
    ("POST", "/v1/completions"): COMPLETIONS,
    ("POST", "/completions"): COMPLETIONS,
    ("POST", "/completion"): generating(formats.Native, "chat", "code"),
    ("POST", "/infill"): generating(formats.Infill, "code"),
    ("POST", "/v1/messages"): generating(formats.Messages, "chat", "code"),
    ("POST", "/v1/messages/count_tokens"): count_tokens,
    ("POST", "/v1/responses"): generating(formats.Responses, "chat", "code"),
    ("POST", "/v1/embeddings"): embeddings,
    ("POST", "/embeddings"): embeddings,
    ("POST", "/rerank"): rerank,
    ("POST", "/v1/rerank"): rerank,
    ("POST", "/reranking"): rerank,
    ("POST", "/v1/reranking"): rerank,
    ("POST", "/v1/audio/speech"): speech,
    ("GET", "/v1/audio/voices"): voices,
    ("POST", "/v1/audio/transcriptions"): transcriptions,
    ("POST", "/v1/images/generations"): images,
    ("POST", "/v1/images/edits"): image_edits,
    ("POST", "/sdapi/v1/txt2img"): web_ui_images,
    ("GET", "/sdapi/v1/loras"): loras,
}
