"""What is seen and remembered. Nothing in here may cost a request: a writer never waits for a reader, whatever it is.

    logs         who writes where (monitor: history and live readers, in a ring; lines, stamps, json_lines: the text;
                 tagging: whose a line is; levels: narrowing; output: a standard output that may block)
    bus          news for the viewers of /api/events
    history      what became of the models, and how long loads take
    inflight     the requests under way
    activity     a row for every metered request, in SQLite or in memory
    captures     requests and answers, within a bound (redaction: secrets hidden; capture_search: by what they say)
    usage        token figures of an answer (ends, decoding: its bytes; findings: where figures stand; figures: what they
                 mean)
    metrics      what is counted for Prometheus (histogram: how; exposition: its text; swaps: how long they take)
    tracing      whether OpenTelemetry traces are asked for (spans: what a request becomes there)
    memory       of a process and its descendants, and what models were seen to hold
    system       processors, memory, network and GPUs of this machine
    model_files  the .gguf files below some folders

`proxy.recording` feeds what is about requests, `app` what is about models.
"""
