"""Programs of the peers, one file each; each runs in the peer's own virtual environment.

They import the peer and `ground`, and nothing else of the house.
"""
