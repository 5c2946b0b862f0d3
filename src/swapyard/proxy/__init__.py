"""The data plane's own rules: which request is for whom, what is changed on the way, and what becomes of it.

    gateway      the front door: looks at a head and makes its handler (endpoints: the table of paths; auth: who may ask)
    exchange     one request and its response as they pass (phases: where it stands; sending: the request's side;
                 second_chances: what is tried again); everything below serves it
    state        what exchanges need of one configuration
    asking       who is wanted. body, forms: what a request says; resolve: what a name means; profiles, selectors: what
                 stands for it; comfyui: the rules of /comfyui/
    rewrite      filters and renamed models in a JSON body, a form or a query (paths: places in a body)
    upload       a form that is too large for memory (spool: its bytes on disk)
    peers        models of other servers
    heads        which header fields pass, and which are added
    loading      what a client hears while its model loads (loading_text: the words; stream_ends: how such a stream ends)
    recording    what becomes of one request, and who is told: activity, captures, metrics, requests under way
    recorder     who makes recordings, and settles those that are over
    replies      the gateway's own answers, errors above all

The engine says when, `http` carries the bytes. A request whose model is ready creates no task and no future in here.
"""
