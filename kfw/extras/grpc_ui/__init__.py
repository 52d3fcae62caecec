"""The page of a gRPC service: grpcui where that is installed, else kfw's own over the server's reflection.

supervised_page is the daemon's; all else runs in a process of its own, so that the daemon never imports grpc.
"""
