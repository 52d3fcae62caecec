"""pods/portforward as kubelet and containerd serve it: SPDY, raw and in WebSocket. No objects, no login here."""
