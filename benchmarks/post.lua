-- Sends the files that are named after "--" in turn, by POST, and prints the result as JSON.
-- The first argument is the media type; without files it sends GET. wrk itself counts the answers
-- whose status is not one of success.

local requests = {}
local place = 0

function init(arguments)
   for at = 2, #arguments do
      local file = assert(io.open(arguments[at], "rb"))
      local headers = {["Content-Type"] = arguments[1]}
      requests[#requests + 1] = wrk.format("POST", nil, headers, file:read("*a"))
      file:close()
   end
   if #requests == 0 then
      requests[1] = wrk.format("GET")
   end
end

function request()
   place = place % #requests + 1
   return requests[place]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "failed": %d, "broken": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
      latency:percentile(99) / 1e3, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout))
end
