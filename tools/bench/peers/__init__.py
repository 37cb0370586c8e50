"""Other task queues, measured beside ours: `python -m tools.bench.peers`."""
