"""A stand-in for RunningHub on this machine: its API as its documents and clients tell of it.

Everything costs nothing and ends in seconds, and it can be told to misbehave: see `control`.
"""
