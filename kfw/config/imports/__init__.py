"""Forwards as other programs have them, made into a kfw.yaml that says what was mapped and what was left out.

A file for each program, and `kfw/config/imports/table.py`, which has them all.
"""
