"""Bytes on the wire, pure: codecs without IO and without a clock."""
