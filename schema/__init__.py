"""What the rows mean, and every way they change. Import from the modules, not from here."""
