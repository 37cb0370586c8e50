"""Whether anything was lost or done twice: the evidence of a run, and the proof.

`python -m tools.faults --acks FILE --effects FILE` proves it for the database of DATABASE_URL.
"""
