"""Several servers on this machine, of which one takes writes.

MySQL Group Replication, a MariaDB primary with a semi-synchronous replica, MariaDB Galera.
`python -m tools.cluster` starts the first and says where it is.
"""
