"""What the network consists of and whom it serves: devices, entities, links, sites, services, customers.

`store` declares the tables, `topology` is the immutable picture every other stage reads, `discovery` keeps it true.
"""
