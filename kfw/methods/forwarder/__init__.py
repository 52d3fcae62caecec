"""forwarder: to kind's nodes where their addresses end at a virtual machine's wall, through ports that docker publishes.

A port that the node publishes itself (extraPortMappings) is taken first; else one small container on kind's network,
shared by all forwards of a cluster, with socat in it and one port published on 127.0.0.1.
"""
