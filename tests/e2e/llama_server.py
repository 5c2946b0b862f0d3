"""llama.cpp's llama-server as a program, with those of its flags that the tests use: the wheel of xllamacpp brings the
server itself, listener and all, and no command for it.

    python tests/e2e/llama_server.py --model FILE --port N [--host H] [--alias NAME] [--ctx-size N] [--threads N]
        [--context-shift] [--embeddings] [--pooling mean]

It listens while it loads (/health is 503 then), and ends with code 0 on SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import signal

import xllamacpp

ENDINGS = (signal.SIGTERM, signal.SIGINT)


def parameters(options: argparse.Namespace) -> xllamacpp.CommonParams:
    found = xllamacpp.CommonParams()
    found.model.path = options.model
    found.model_alias = {options.alias} if options.alias else set()
    found.n_ctx = options.ctx_size
    found.cpuparams.n_threads = found.cpuparams_batch.n_threads = options.threads
    found.embedding = options.embeddings
    if options.pooling:
        found.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{options.pooling.upper()}")
    found.ctx_shift = options.context_shift
    found.hostnames = [options.host]
    found.port = options.port
    found.endpoint_metrics = True
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a GGUF model with llama.cpp's own server.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", default="")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--ctx-size", type=int, default=0)
    parser.add_argument("--threads", type=int, default=-1)
    parser.add_argument("--embeddings", action="store_true")
    parser.add_argument("--pooling", choices=("none", "mean", "cls", "last", "rank"))
    parser.add_argument("--context-shift", action="store_true", help="a full context forgets its first half")
    options = parser.parse_args()

    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)  # before its threads come, so that no thread of its takes them
    server = xllamacpp.Server(parameters(options))  # returns when the model is loaded
    signal.sigwait(ENDINGS)
    del server  # stops the listener, and waits for its threads


if __name__ == "__main__":
    main()
