"""The tunnel, without a connection of its own to the app: kubectl makes none either before somebody comes."""

from dataclasses import replace

from kfw.methods.base import OpenRequest
from kfw.methods.tunnel.method import PodTunnel, TunnelMethod


class Unprobed(TunnelMethod):
    """Ready when the container runtime answers; whether the app listens is the affair of each connection."""

    asks_apps = False

    async def open(self, way: OpenRequest) -> PodTunnel:
        health = replace(way.forward.health, type="none")
        return await super().open(replace(way, forward=replace(way.forward, health=health)))
