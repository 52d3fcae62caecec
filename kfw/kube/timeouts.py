"""How long kfw waits for an API server: all in seconds, in one place, so that tests can be quick."""

from dataclasses import dataclass

from kfw.backoff import Backoff


@dataclass(frozen=True)
class Timeouts:
    dial: float = 5.0  # TCP, proxy and TLS together
    answer: float = 30.0  # an answer's head, or its next piece
    #: These make less than 5 s together: so long a silent API server is taken for one that is there.
    idle_before_probe: float = 2.0  # no byte from the API server: then it is asked whether it is there
    probe: float = 2.5  # its answer to that on the line that stands
    probe_beside: float = 1.0  # until it is asked on a fresh line, too
    fresh: float = 1.5  # its answer to that
    late: float = 1.0  # an answer that has not come by then is not waited for when the user says `retry`
    reconnect_interval: float = 0.3  # between fresh dials while it is away
    reconnect_interval_later: float = 1.0  # after a minute
    reconnect_interval_latest: float = 5.0  # after ten
    watch: float = 240.0  # one watch request; the API server ends it
    watch_idle: float = 75.0  # no event in a watch: bookmarks come each minute, so it may be dead
    first_pause: float = 0.25  # after a failure that is not an outage, doubled each time
    longest_pause: float = 8.0  # a server that is well again is seen within 10 s
    relist: float = 5.0  # between lists for a user who may list, but not watch
    forbidden: float = 8.0  # until what was not permitted is tried again
    files_interval: float = 1.0  # between looks at the kubeconfig otherwise
    files: float = 2.0  # between looks at the kubeconfig while the login or the way to the server is broken
    namespace: float = 10.0  # between questions whether a missing namespace is there
    namespace_answer: float = 1.0  # the answer to that
    unexplained: float = 2.0  # until a forward that knows nothing yet says what it waits for
    nodes: float = 1.0  # for the nodes' addresses, before a service is said to be known without them
    settle: float = 0.05  # between two looks at changes that come in bursts

    def pause(self, failures: int) -> float:
        """After `failures` in a row; the first is tried again at once."""
        return Backoff(self.first_pause, self.longest_pause).after(failures - 1)

    def reconnect_after(self, away: float) -> float:
        """Between dials when the API server has been away for that long."""
        if away < 60:
            return self.reconnect_interval
        return self.reconnect_interval_later if away < 600 else self.reconnect_interval_latest
