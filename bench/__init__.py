"""Benchmarks that anyone can run: `make bench`, or `python -m bench --quick`.

Every figure is taken side by side in one run, in interleaved rounds, and judged as a ratio or a difference: absolute
figures of a shared machine mean little. The sides are `direct` (the upstream itself), `nginx` (one worker, unbuffered),
`swapyard` with its defaults, and any `peer` given as a command line.

    __main__.py       the command line; builds the sides, runs the measures, prints the table
    upstream.py       the scripted upstream, a process of its own: whole answers, streams, a gigabyte
    stream_client.py  the client of a thousand streams, a process of its own
    sides.py          what is measured: how each side is started, reached and stopped
    processes.py      starting, awaiting and surely stopping processes
    load.py           clients: wrk, a keep-alive client, a timed single request
    measures.py       requests/s, added latency, streams
    swaps.py          what a swap costs beyond the engine's own time; start-up
    observed.py       requests/s with observation on, and with all of it off that can be
    soak.py           a script of its own: a long run, and whether every request is accounted for exactly once
    memory.py         resident memory: idle, after many requests, after a gigabyte
    report.py         budgets, the table, the JSON file

    config_load.py, rewrite.py   two parts on their own, each a script: loading a large configuration, editing a request

Nothing of the package is imported for the table: the gateway is run as users run it. docs/benchmarks.md tells more.
"""
