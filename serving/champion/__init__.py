"""The champion, and the thread that keeps it current."""
