"""Tasks of type `runninghub`: workflows that run at RunningHub and are paid for there.

The worker uploads what a workflow needs, creates a run, watches it to its end and fetches its
files. Before and after each step that cannot be taken back the checkpoint says how far it came,
so that whoever comes next goes on with the same run.
"""
