"""A MySQL Group Replication cluster of three nodes on this machine, one of which takes writes.

`python -m tools.cluster` starts one and says where it is.
"""
