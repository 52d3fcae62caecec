# The shell of the quick start's container, and not those of `docker exec`: when it ends, so does what kfw started.
PS1='quick-start:\w\$ '
trap 'kfw stop >/dev/null 2>&1' EXIT
