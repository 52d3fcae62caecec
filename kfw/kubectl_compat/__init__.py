"""`kfw port-forward`: kubectl's arguments, words and exit codes; it lives in the foreground, without the daemon.

flags, go_parse, ports and messages are kubectl's rules, pure; find asks the API server what kubectl asks it, pods puts the
answer in kubectl's order, follower follows them with the daemon's watcher from then on, session runs it all. Read beside it:
k8s.io/kubectl pkg/cmd/portforward and k8s.io/client-go tools/portforward, v0.32 to v0.34. What differs from kubectl, and
why: docs/port-forward.md.
"""
