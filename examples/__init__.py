"""A small application on Rowlease: thumbnails of pictures, and a daily report of what failed."""
