-- wrk's side of a benchmark: posts the body given after "--", and prints one line that bench/load.py reads.
-- The body ends in a blank that is 1 to 64 bytes long: as with real clients, no two requests in a row have the same length.

local requests = {}
local at = 0

function init(args)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for size = 1, 64 do
    requests[size] = wrk.format(nil, nil, nil, args[1] .. string.rep(" ", size))
  end
end

function request()
  at = at % 64 + 1
  return requests[at]
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout))
end
