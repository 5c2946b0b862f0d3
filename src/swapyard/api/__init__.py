"""The control plane: an ordinary ASGI application (Starlette), one module per resource.

`app.make_app(services)` is its door; `services.Services` is all that it knows of the rest; `answers` are the few kinds of
answers. Models: models (listing), catalog, found, running, details, parameters, load, unload, router, profiles, transitions,
status. Requests: activity. The machine: hardware, performance, metrics. And events, logs, health, version, ui, snapshot. It
may be slow, and must never block the loop. Looking at anything here starts nothing, swaps nothing and refreshes no TTL.
Preflights (OPTIONS) and authentication are done before a request comes here.
"""
