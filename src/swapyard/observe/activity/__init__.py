"""The activity store: a row for every metered request, in SQLite (`store.path`) or in memory.

    store = ActivityStore(path or None, max_in_memory=..., warn=..., stored=...)     blocks: before the loop, or in a thread
    number = store.record(Activity(...))                                             on the loop: about 1 us, never fails
    store.listing(query), store.statistics(model), store.export(...)                 block: in a thread, any
    store.close()                                                                    blocks until all is written

    rows        what is recorded, and what is listed (the shapes of the API)
    query       the parameters of a listing, checked
    schema      tables and migrations; a file that llama-swap wrote is taken over as it is
    database    one open database: batches in, pages and figures out
    ids         which row is whose, where another program adds rows, too
    statistics  totals, histograms, percentiles; kept up to date for large files
    changes     what became of models, kept in the file as well
    export      CSV and JSON lines
    store       the queue, the one writer thread, and what happens when the file fails

Nothing in here knows the loop, HTTP or the configuration.
"""

from swapyard.observe.activity.query import ActivityQuery
from swapyard.observe.activity.rows import Activity, Listing, Outcome, Row
from swapyard.observe.activity.schema import StoreError
from swapyard.observe.activity.statistics import Statistics
from swapyard.observe.activity.store import ActivityStore

__all__ = ["Activity", "ActivityQuery", "ActivityStore", "Listing", "Outcome", "Row", "Statistics", "StoreError"]
