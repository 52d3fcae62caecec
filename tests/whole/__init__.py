"""kfw whole: the program and its daemon as a user runs them, on the embedded sandbox. All are marked `sandbox`.

A test says what it changes in the cluster and looks at what a user sees: ports, exit codes, `status`, the log.
"""
