"""What replicas share: labels, calibrators, noise estimates and audits, in SQLite or PostgreSQL.

`address` says where, `connections` how it is reached, `migrate` brings the tables up to date,
`database` runs work in threads off the event loop; the other modules are one table each, as
functions on a connection. Statements are built by SQLAlchemy from the tables of `schema`;
none is made of text.
"""

from rewardsvc.store.address import StoreAddress, parse_address
from rewardsvc.store.database import Database, StoreUnavailable

__all__ = ["Database", "StoreAddress", "StoreUnavailable", "parse_address"]
