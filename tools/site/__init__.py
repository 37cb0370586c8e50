"""The pages as a site: `make docs`."""
