"""Run the whole system on this machine: private servers and the lines of the Procfile."""
