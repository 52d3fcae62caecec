"""The numbers that a tunnel goes by, each with its reason: time-outs in seconds, sizes in bytes, counts. Pure.

They are handed in wherever they are used, so a test states the ones that it is about. Figures: docs/tunnel.md.
"""

from dataclasses import dataclass

from kfw.backoff import Backoff

_ROUNDS = Backoff(0.25, 1.0)


@dataclass(frozen=True)
class Policy:
    # -- how many links a forward has, and to which pods (pool.py)

    #: Links of one forward that move; beyond it connections share. And all of them, also those that stand still.
    moving_links: int = 32
    all_links: int = 128
    #: Dials at a time while there is no link, and for each link more: the first is there sooner, and says whether others
    #: will.
    first_dials: int = 2
    #: At the same time, not counting those that take long; and to a pod to which they take long.
    dials: int = 8
    slow_dials: int = 2
    #: A dial takes long after so many seconds, and so many times what one took lately.
    slow_after: float = 0.3
    slow_times: float = 4.0
    #: Seconds that a pod is passed over, if it can be, after a dial to it has failed.
    passed_over_for: float = 0.5
    #: Seconds until another dial, after one for which this machine had no room.
    short_for: float = 0.2
    #: A forward without a new connection for so many seconds keeps one link warm, else one for each pod, up to so many.
    used_within: float = 60.0
    warm_pods: int = 4
    #: Seconds that a link may be idle beyond those that are kept warm.
    idle: float = 30.0

    # -- how long a connection waits for a link (pool.py)

    #: Seconds that a connection waits for a link of its own while there is one to share.
    share_after: float = 0.1
    #: Seconds between two looks while somebody waits: a dial may take long, so that another one is tried beside it.
    tick: float = 0.05
    #: Seconds in which one pod after the other is asked, although nothing shall be held.
    ask_all: float = 1.0
    #: Seconds in which a dial has had its chance, also where nothing shall be held: kube.upgrade.ANSWER.
    dial_chance: float = 10.0
    #: Seconds until a connection that every pod has refused is tried again, by how often they have.
    rounds: Backoff = _ROUNDS

    # -- what all forwards share (budget.py)

    #: Links that carry nothing now. One takes some 60 KB; one that is missed costs the next connection a dial.
    idle_links: int = 16
    #: As many are closed when somebody needs a file and there is none.
    relief: int = 4
    #: Dials at a time, and seconds after which one lets the next begin: its node may not answer.
    dials_at_once: int = 8
    dial_turn: float = 0.5

    # -- one link (link.py, pings.py)

    #: Bytes that the kernel has not taken, until the clients of this link are told to stop, and to go on.
    write_high: int = 256 * 1024
    write_low: int = 64 * 1024
    #: Seconds that the far side may learn later of a client that has left: most often with the next connection.
    farewell: float = 0.05
    #: Seconds that a link which takes no more streams outlives its last one: so long the runtime hands on what it has.
    linger: float = 1.5
    #: Seconds for the answer to the PINGs that clear a link of doubt.
    settle: float = 5.0
    #: Bytes for nobody: a download that was left still flows.
    flood: int = 64 * 1024

    # -- one connection (stream.py)

    #: What the client has sent is kept so long as it may have to be sent again, to another pod.
    kept: int = 64 * 1024
    #: Bytes that wait for a slow client before its link stops reading, on a link that carries others as well.
    slack: int = 1024 * 1024
    #: Seconds of silence of the far side until it is told that the client has said all. The runtime cuts the answer off
    #: 1 s after it hears so, so it hears it late.
    hold_fin: float = 10.0
    #: Seconds that the two ends of a connection may be apart.
    late_end: float = 2.0
    #: A client that leaves when so many bytes have come, the last of them so many seconds ago, may have left a download.
    download: int = 2 * 1024
    download_recent: float = 0.5

    # -- whether links answer (upkeep.py)

    #: Seconds between two looks, at a forward that is used and at others.
    look: float = 2.0
    look_unused: float = 5.0
    #: Seconds that a link may be silent until it is asked: of one in use it is known within 5 s that it is dead. Others are
    #: watched by the kernel (link.WARM), and asked for the sake of middleboxes, which cut after a minute and more.
    silent: float = 2.5
    silent_unused: float = 20.0
    #: Seconds for the answer to that.
    answer: float = 5.0
    #: Seconds for an answer until another way is tried as well, and in round trips: the greater counts.
    prompt: float = 0.15
    prompt_trips: float = 4.0
    #: And as long as it is not known how long a round trip takes.
    prompt_unknown: float = 1.0
    #: As many pods are tried.
    asked_pods: int = 3
    #: Seconds for which a proof counts when the forward has no link, as others are used more: each costs a dial then.
    parked: float = 240.0
    #: As many seconds at least for each forward, so that a thousand forwards do not dial all the time.
    parked_each: float = 3.0
