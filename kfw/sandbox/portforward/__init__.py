"""pods/portforward as kubelet and containerd serve it: SPDY raw and in WebSocket, v4 channels. No objects, no login here."""
