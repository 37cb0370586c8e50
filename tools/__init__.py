"""What a developer runs: local servers, the Procfile supervisor, benchmarks."""
