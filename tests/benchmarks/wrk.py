"""wrk, which sends the requests of a file in turn to a server on this machine."""

import re
import subprocess

LUA = """
local requests, n, i = {}, 0, 0
function init(args)
  for line in io.lines(args[1]) do
    n = n + 1
    requests[n] = wrk.format("POST", "/v1/similar", {["Content-Type"] = "application/json"}, line)
  end
end
function request() i = i % n + 1; return requests[i] end
"""


def measured(port, questions, lua, connections, seconds):
    """Return requests a second, and the milliseconds of the median and the 99th percentile."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(lua)]
    command += [f"http://127.0.0.1:{port}", "--", str(questions)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in printed, printed
    match = re.search(r"50%\s+([\d.]+)(\w+).*99%\s+([\d.]+)(\w+).*Requests/sec:\s+([\d.]+)", printed, re.DOTALL)
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    return float(match[5]), float(match[1]) * unit[match[2]], float(match[3]) * unit[match[4]]
