"""What the user wants: files and flags in, Settings out, every problem named by file, line and column."""
