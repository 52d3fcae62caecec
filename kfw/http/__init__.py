"""One HTTP/1.1 server on h11, for whoever has something to serve. It knows neither kfw's control API nor Kubernetes.

A handler turns a `Request` into a `Response`; all limits and time-outs are in `HttpLimits`.
"""
