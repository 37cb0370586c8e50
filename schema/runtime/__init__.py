"""What every process needs to reach the rows: settings, engine, retry, logging."""
