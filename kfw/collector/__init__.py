"""`kfw collect`: asks services behind forwards for figures, and writes them as events, each stretch of time once.

The daemon has no part in it, and nothing imports this but the command.
"""
