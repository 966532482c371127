"""What the recorder does about each fault: the table, and a test for each of its rows."""
