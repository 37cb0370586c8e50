"""The whole system under load while processes, connections and servers fail; then the proof.

`python -m tools.soak --help`.
"""
