"""The dashboard: pages for people, at /ui. What they show and do, the HTTP API does too."""
