"""`kfw doctor`: each hop from this machine to the app, asked in order until the first fault."""
