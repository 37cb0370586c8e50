"""RunningHub: its keys, its API and its codes, for the worker that runs workflows and the API."""
