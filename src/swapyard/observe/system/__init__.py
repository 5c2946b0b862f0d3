"""The machine: processors, memory, network and GPUs, as `/api/performance`, `/metrics` and `swapyard monitor` tell them.

    samples     what is measured, as data; None means that nobody tells, and is never 0
    host        processors, memory, load and network, by psutil
    tool        one command line tool, asked now and then within a time limit
    nvml, nvidia_smi, rocm_smi, lact, apple    where GPU figures come from: a pure parser and the asking
    gpus        which of them works here, back-off, and the figures of several vendors put together
    sampling    the threads that sample, and what they remember; on and off at any time
    rows        samples as JSON: llama-swap's fields, and which of them are unknown; and for Prometheus
    hardware    what the machine is: a snapshot taken when somebody asks for it

Everything that measures blocks, so it runs in threads of its own and never on the event loop. With sampling turned off no
thread runs, and no program is started on a machine that does not have it.
"""
